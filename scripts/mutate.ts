/**
 * Breaks the machines in small ways, one at a time, and says which of these mutants no test notices.
 *
 *     npx tsx scripts/mutate.ts [--file Window[:173]] [--sample 50] [--seed 1] [--workers 2] [--verbose]
 *
 * The working tree is never touched: a mutant exists only in the memory of the test run that loads it. A mutant is
 * killed when a test fails, or when the run does not end (a loop without end). Its own tests go first, all of
 * test/machines only if those let it live. Exits 1 when more than one in twenty lives.
 */
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { readFileSync, readdirSync } from "node:fs"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import ts from "typescript"
import type { Vitest } from "vitest/node"

const root = fileURLToPath(new URL("..", import.meta.url))
const sources = fileURLToPath(new URL("../packages/machines/src/", import.meta.url))

/** A run that takes so many times as long as the whole suite without a mutant is a loop without end. */
const patience = 6

/** A worker's heap grows with every run, so another takes over after this many. */
const runsPerWorker = 60

interface Mutant {
  readonly file: string
  /** The file as it was when the mutant was found: somebody may be editing it. */
  readonly text: string
  readonly line: number
  readonly start: number
  readonly end: number
  readonly before: string
  readonly after: string
}

interface Task {
  readonly file: string
  readonly text: string
}

type Verdict = "killed" | "endless" | "lives"

const operators: Readonly<Record<string, ReadonlyArray<string>>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "<<": [">>>"],
  ">>>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "+=": ["-="],
  "-=": ["+="]
}

const functions: Readonly<Record<string, string>> = {
  "Math.min": "Math.max",
  "Math.max": "Math.min",
  "Math.floor": "Math.ceil",
  "Math.ceil": "Math.floor",
  "Math.round": "Math.floor"
}

const comparison = /^(<|>|<=|>=|===|!==)$/

/** What a node may be replaced by. Types and imports are not code and have no mutants. */
const replacements = (node: ts.Node, source: ts.SourceFile): ReadonlyArray<readonly [ts.Node, string]> => {
  if (ts.isBinaryExpression(node)) {
    const others = operators[node.operatorToken.getText(source)] ?? []
    return others.map((other) => [node.operatorToken, other])
  }
  if (ts.isNumericLiteral(node)) return [1, -1].map((by) => [node, `(${Number(node.text) + by})`])
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [[node, "false"]]
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [[node, "true"]]
  if (ts.isPropertyAccessExpression(node)) {
    const other = functions[node.getText(source)]
    return other === undefined ? [] : [[node, other]]
  }
  if (ts.isObjectLiteralExpression(node) && node.properties.some(ts.isSpreadAssignment)) {
    return node.properties.map((property) => [property, "...{}"])
  }
  const deleted: ReadonlyArray<readonly [ts.Node, string]> =
    ts.isStatement(node) && ts.isBlock(node.parent) && !ts.isVariableStatement(node) && !ts.isReturnStatement(node)
      ? [[node, ";"]]
      : []
  const condition =
    ts.isIfStatement(node) || ts.isWhileStatement(node)
      ? node.expression
      : ts.isConditionalExpression(node)
        ? node.condition
        : undefined
  // A comparison has its own opposite among the operators.
  const negatable =
    condition !== undefined &&
    !(ts.isBinaryExpression(condition) && comparison.test(condition.operatorToken.getText(source)))
  return negatable ? [...deleted, [condition, `!(${condition.getText(source)})`]] : deleted
}

const mutantsOf = (file: string): ReadonlyArray<Mutant> => {
  const source = ts.createSourceFile(file, readFileSync(sources + file, "utf8"), ts.ScriptTarget.ES2022, true)
  const found: Array<Mutant> = []
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) return
    for (const [target, after] of replacements(node, source)) {
      const start = target.getStart(source)
      const line = source.getLineAndCharacterOfPosition(start).line + 1
      found.push({ file, text: source.text, line, start, end: target.end, before: target.getText(source), after })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const mutated = ({ after, end, start, text }: Mutant): string => text.slice(0, start) + after + text.slice(end)

const brief = (text: string): string => text.replace(/\s+/g, " ").trim()

/** The line as it was and as it is, with the changed place between brackets. */
const shown = ({ after, before, end, file, line, start, text }: Mutant): string => {
  const from = text.lastIndexOf("\n", start) + 1
  const to = text.indexOf("\n", end)
  const context = `${text.slice(from, start)}⟦${before}⟧${text.slice(end, to)}`
  return `${relative(root, sources + file)}:${line}  ${brief(context)}  ->  ${brief(after)}`
}

/** The same order for the same seed: a shuffle by Knuth, fed by a linear congruential generator. */
const shuffled = <A>(items: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  let state = seed >>> 0
  const keyed = items.map((item) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return [state, item] as const
  })
  return keyed.toSorted(([a], [b]) => a - b).map(([, item]) => item)
}

/** Runs the tests whose path begins so, with one file's text replaced; true when any of them fails. */
const fails = async (tests: string, task: Task | undefined): Promise<boolean> => {
  const { createVitest } = await import("vitest/node")
  const replace = {
    name: "mutant",
    enforce: "pre" as const,
    transform: (_: string, id: string) => (task !== undefined && id === sources + task.file ? task.text : undefined)
  }
  const silent = { onInit: () => undefined }
  const vitest: Vitest = await createVitest(
    "test",
    {
      root,
      watch: false,
      bail: 1,
      reporters: [silent],
      pool: "threads",
      fileParallelism: false,
      isolate: false,
      silent: true
    },
    { plugins: [replace], logLevel: "silent" }
  )
  await vitest.start([tests])
  const files = vitest.state.getFiles()
  const failed = files.some((file) => file.result?.state === "fail") || vitest.state.getUnhandledErrors().length > 0
  await vitest.close()
  process.exitCode = 0
  if (files.length === 0) throw new Error(`there are no tests under ${tests}`)
  return failed
}

const judge = async (task: Task): Promise<Verdict> => {
  const own = `test/machines/${task.file.replace(".ts", "")}`
  return (await fails(own, task)) || (await fails("test/machines/", task)) ? "killed" : "lives"
}

const serve = (): void => {
  process.on("disconnect", () => process.exit())
  process.on("message", (task: Task) => {
    judge(task).then(
      (verdict) => process.send?.(verdict),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      }
    )
  })
}

const hire = (): ChildProcess => fork(fileURLToPath(import.meta.url), ["--serve"])

/** The worker's verdict; undefined if the worker is gone, which says nothing of the mutant. */
const ask = (worker: ChildProcess, mutant: Mutant, limitMillis: number): Promise<Verdict | undefined> =>
  new Promise((resolve) => {
    const settle = (verdict: Verdict | undefined) => {
      clearTimeout(timer)
      worker.removeAllListeners("message").removeAllListeners("exit")
      resolve(verdict)
    }
    const timer = setTimeout(() => settle("endless"), limitMillis)
    worker.once("message", (verdict: Verdict) => settle(verdict))
    worker.once("exit", () => settle(undefined))
    worker.send({ file: mutant.file, text: mutated(mutant) }, (error) =>
      error === null ? undefined : settle(undefined)
    )
  })

/** Judges in processes of its own, since only a process can be stopped in the middle of a loop. */
const judgeAll = async (
  mutants: ReadonlyArray<Mutant>,
  workers: number,
  limitMillis: number,
  show: (mutant: Mutant, verdict: Verdict) => void
): Promise<void> => {
  const waiting = [...mutants]
  const lane = async (): Promise<void> => {
    let worker = hire()
    let runs = 0
    const replace = () => {
      worker.kill("SIGKILL")
      worker = hire()
      runs = 0
    }
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      if (runs++ === runsPerWorker) replace()
      let verdict = await ask(worker, mutant, limitMillis)
      if (verdict === undefined) {
        replace()
        verdict = await ask(worker, mutant, limitMillis)
      }
      if (verdict === undefined) throw new Error(`no worker survives ${shown(mutant)}`)
      if (verdict === "endless") replace()
      show(mutant, verdict)
    }
    worker.kill("SIGKILL")
  }
  await Promise.all(Array.from({ length: workers }, lane))
}

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      file: { type: "string" },
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      workers: { type: "string", default: "2" },
      verbose: { type: "boolean", default: false },
      serve: { type: "boolean", default: false }
    }
  })
  if (values.serve) return serve()
  const [name, line] = values.file?.split(":") ?? []
  const files = readdirSync(sources).filter((file) => name === undefined || file === `${name}.ts`)
  const found = files.flatMap(mutantsOf).filter((mutant) => line === undefined || mutant.line === Number(line))
  const all = shuffled(found, Number(values.seed))
  const mutants = all.slice(0, values.sample === undefined ? all.length : Number(values.sample))
  if (mutants.length === 0) throw new Error(`there is nothing to mutate in ${values.file ?? sources}`)
  const startedMillis = performance.now()
  if (await fails("test/machines/", undefined)) throw new Error("the tests fail before anything was mutated")
  const limitMillis = Math.max(20_000, patience * (performance.now() - startedMillis))

  const counts: Record<Verdict, number> = { killed: 0, endless: 0, lives: 0 }
  const survivors: Array<Mutant> = []
  await judgeAll(mutants, Number(values.workers), limitMillis, (mutant, verdict) => {
    counts[verdict]++
    if (verdict === "lives") survivors.push(mutant)
    if (values.verbose || verdict === "lives") console.log(`${verdict.padEnd(7)} ${shown(mutant)}`)
  })
  const killed = counts.killed + counts.endless
  console.log(`\n${survivors.length} of ${mutants.length} mutants live (there are ${all.length} in all):`)
  survivors
    .toSorted((a, b) => a.file.localeCompare(b.file) || a.start - b.start)
    .forEach((mutant) => console.log(shown(mutant)))
  console.log(`\nkilled ${((100 * killed) / mutants.length).toFixed(1)} % (${counts.endless} of them endless)`)
  if (killed < 0.95 * mutants.length) process.exitCode = 1
}

await main()
