import { AdaptiveLimit } from "@effect-resilience/machines"
type Ev = { at: number; seq: number; run: () => void }
const mulberry = (a: number) => () => { a |= 0; a = (a + 0x6d2b79f5) | 0; let t = Math.imul(a ^ (a >>> 15), 1 | a); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296 }
class Sim { now = 0; seq = 0; heap: Ev[] = []
  at(t: number, run: () => void) { const h = this.heap; const e = { at: t, seq: this.seq++, run }; h.push(e); let i = h.length - 1
    while (i > 0) { const p = (i - 1) >> 1; if (this.less(h[i]!, h[p]!)) { [h[i], h[p]] = [h[p]!, h[i]!]; i = p } else break } }
  less(a: Ev, b: Ev) { return a.at < b.at || (a.at === b.at && a.seq < b.seq) }
  pop() { const h = this.heap; const top = h[0]!; const last = h.pop()!; if (h.length > 0) { h[0] = last; let i = 0
      for (;;) { const l = 2 * i + 1, r = l + 1; let m = i; if (l < h.length && this.less(h[l]!, h[m]!)) m = l; if (r < h.length && this.less(h[r]!, h[m]!)) m = r; if (m === i) break; [h[i], h[m]] = [h[m]!, h[i]!]; i = m } } return top }
  run(until: number) { while (this.heap.length > 0 && this.heap[0]!.at <= until) { const e = this.pop(); this.now = e.at; e.run() } this.now = until } }
const scenario = (alg: AdaptiveLimit.Algorithm | "none" | "fixed", seed: number, opts: { workers: number; service: number; dist: string; phases: [number, number][]; max?: number; initial?: number; slow?: [number, number, number] }) => {
  const rnd = mulberry(seed), sim = new Sim()
  const exp = (m: number) => -Math.log(1 - rnd()) * m
  const svc = () => { const f = opts.slow && sim.now >= opts.slow[0] && sim.now < opts.slow[1] ? opts.slow[2] : 1; return f * (opts.dist === "exp" ? exp(opts.service) : opts.dist === "const" ? opts.service : opts.service * Math.exp(0.5 * Math.sqrt(-2 * Math.log(1 - rnd())) * Math.cos(2 * Math.PI * rnd()) - 0.125)) }
  const config: AdaptiveLimit.Config = { algorithm: alg === "none" || alg === "fixed" ? "knee" : alg, min: 1, max: opts.max ?? 1000, initial: opts.initial ?? 20 }
  let st = AdaptiveLimit.initial(config), inflight = 0, busy = 0
  const queue: (() => void)[] = []; let qh = 0
  const stats = opts.phases.map(() => ({ n: 0, ok: 0, refused: 0, late: 0, lat: [] as number[], limits: [] as number[] }))
  const start = () => { if (busy < opts.workers && qh < queue.length) { busy++; const done = queue[qh++]!; sim.at(sim.now + svc(), () => { busy--; done(); start() }) } }
  let t0 = 0
  opts.phases.forEach(([rate, dur], ph) => {
    const s = stats[ph]!, from = t0, to = t0 + dur; t0 = to
    const arrive = () => { if (sim.now >= to) return; sim.at(sim.now + exp(1000 / rate), arrive); s.n++
      const lim = alg === "none" ? Infinity : alg === "fixed" ? 60 : AdaptiveLimit.limit(st)
      if (inflight >= lim) { s.refused++; return }
      inflight++; const started = sim.now, inf = inflight; let gone = false, settled = false
      const finish = (dropped: boolean) => { if (settled) return; settled = true; inflight--
        if (alg !== "none" && alg !== "fixed") st = AdaptiveLimit.learn(config, st, { outcome: dropped ? "Dropped" : "Success", startedMillis: Math.floor(started), inFlight: inf }, Math.floor(sim.now)) }
      sim.at(started + 1000, () => { if (!settled) { gone = true; s.late++; finish(true) } })
      queue.push(() => { if (!gone) { s.ok++; s.lat.push(sim.now - started) } finish(false) }); start() }
    sim.at(from + 1e-9, arrive)
    for (let t = from + dur / 2; t < to; t += 500) sim.at(t, () => s.limits.push(st.limit))
  })
  sim.run(t0)
  return stats.map((s, i) => { const lat = s.lat.sort((a, b) => a - b), q = (p: number) => lat[Math.floor(p * (lat.length - 1))] ?? NaN; const l = s.limits.sort((a,b)=>a-b)
    return `${opts.phases[i]![0]}/s: good ${(s.ok / (opts.phases[i]![1] / 1000)).toFixed(0)}/s p50 ${(q(0.5)/opts.service).toFixed(2)} p99 ${(q(0.99)/opts.service).toFixed(2)}x ref ${(100 * s.refused / s.n).toFixed(2)}% late ${s.late} lim ${l[0]?.toFixed(0)}..${l[l.length>>1]?.toFixed(0)}..${l[l.length-1]?.toFixed(0)}` })
}
const run = (name: string, o: Parameters<typeof scenario>[2], algs: (AdaptiveLimit.Algorithm | "none" | "fixed")[] = ["none", "fixed", "aimd", "vegas", "gradient2", "knee"]) => { if (process.argv[3] && !name.includes(process.argv[3])) return; console.log("==", name); for (const a of algs) { console.log(a.padEnd(10), scenario(a, 1, o).join("\n           ")) } }
const P: [number, number][] = [[700, 30000], [2000, 120000], [700, 60000]]
const only = (process.argv[2] ?? "").split(",").filter(Boolean) as AdaptiveLimit.Algorithm[]
const algs = only.length ? only : undefined

run("exp 50x50ms", { workers: 50, service: 50, dist: "exp", phases: P }, algs)
run("const 50x50ms", { workers: 50, service: 50, dist: "const", phases: P }, algs)
run("logn 10x10ms", { workers: 10, service: 10, dist: "logn", phases: P }, algs)
run("exp 10x50ms 200/s", { workers: 10, service: 50, dist: "exp", phases: [[140, 30000], [400, 120000], [140, 60000]] }, algs)
run("slow x10 for 60s", { workers: 50, service: 50, dist: "exp", phases: [[700, 30000], [700, 60000], [700, 60000], [2000, 60000]], slow: [30000, 90000, 10] }, algs)
run("initial 500", { workers: 50, service: 50, dist: "exp", phases: [[2000, 60000], [700, 60000]], initial: 500 }, algs)
run("drift: 100/s then 2000/s", { workers: 50, service: 50, dist: "exp", phases: [[100, 600000], [2000, 10000], [2000, 60000]] }, algs)
