/** The ways in which a line of code is made wrong: each stands for a slip that a review can miss. */
import ts from "typescript"

/** A piece of the source, and what takes its place. */
export type Replacement = readonly [target: ts.Node, after: string]

const binary: Readonly<Record<string, ReadonlyArray<string>>> = {
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

/** Nothing to negate: the operators hold the opposite of a comparison already. */
const isComparison = (node: ts.Expression): boolean =>
  ts.isBinaryExpression(node) && comparison.test(node.operatorToken.getText())

const negated = (condition: ts.Expression): ReadonlyArray<Replacement> =>
  isComparison(condition) ? [] : [[condition, `!(${condition.getText()})`]]

const literals = (node: ts.Node): ReadonlyArray<Replacement> => {
  if (ts.isNumericLiteral(node)) return [1, -1].map((by) => [node, `(${Number(node.text) + by})`])
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [[node, "false"]]
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [[node, "true"]]
  return []
}

const arithmetic = (node: ts.Node): ReadonlyArray<Replacement> => {
  if (ts.isBinaryExpression(node)) {
    return (binary[node.operatorToken.getText()] ?? []).map((other) => [node.operatorToken, other])
  }
  if (ts.isPropertyAccessExpression(node)) {
    const other = functions[node.getText()]
    return other === undefined ? [] : [[node, other]]
  }
  if (ts.isPostfixUnaryExpression(node)) {
    const other = node.operator === ts.SyntaxKind.PlusPlusToken ? "--" : "++"
    return [[node, `${node.operand.getText()}${other}`]]
  }
  const drops = [ts.SyntaxKind.ExclamationToken, ts.SyntaxKind.TildeToken]
  return ts.isPrefixUnaryExpression(node) && drops.includes(node.operator) ? [[node, node.operand.getText()]] : []
}

/** A condition that holds when it should not, or a branch that is always taken. */
const branches = (node: ts.Node): ReadonlyArray<Replacement> => {
  if (ts.isIfStatement(node)) return [...negated(node.expression), [node.expression, "true"]]
  if (ts.isWhileStatement(node)) return negated(node.expression)
  if (!ts.isConditionalExpression(node)) return []
  const taken = [node.whenTrue, node.whenFalse].map((branch): Replacement => [node, `(${branch.getText()})`])
  return [...negated(node.condition), ...taken]
}

/** What is not done: a statement that is missing, a field or an element that stays as it was. */
const omissions = (node: ts.Node): ReadonlyArray<Replacement> => {
  if (ts.isObjectLiteralExpression(node) && node.properties.some(ts.isSpreadAssignment)) {
    return node.properties.map((property) => [property, "...{}"])
  }
  if (ts.isArrayLiteralExpression(node) && node.elements.some(ts.isSpreadElement)) {
    return node.elements.map((element) => [element, "...[]"])
  }
  const droppable = ts.isStatement(node) && !ts.isVariableStatement(node) && !ts.isReturnStatement(node)
  return droppable && ts.isBlock(node.parent) ? [[node, ";"]] : []
}

/** The expressions that a function can end with: what it returns, a conditional by each of its branches. */
const results = (node: ts.Node): ReadonlyArray<ts.Expression> => {
  if (ts.isParenthesizedExpression(node)) return results(node.expression)
  if (ts.isConditionalExpression(node)) return [...results(node.whenTrue), ...results(node.whenFalse)]
  if (ts.isReturnStatement(node)) return node.expression === undefined ? [] : results(node.expression)
  if (ts.isExpression(node)) return [node]
  const found: Array<ts.Expression> = []
  ts.forEachChild(node, (child) => {
    if (ts.isStatement(child)) found.push(...results(child))
  })
  return found
}

const isPlain = (type: ts.TypeNode): boolean => /^(number|boolean|string)$/.test(type.getText())

const isUndefined = (type: ts.TypeNode): boolean => type.kind === ts.SyntaxKind.UndefinedKeyword

const optional = (type: ts.TypeNode): boolean => ts.isUnionTypeNode(type) && type.types.some(isUndefined)

/** The tuple that a function returns, be it `readonly` or not. */
const tupleOf = (type: ts.TypeNode): ts.TupleTypeNode | undefined =>
  ts.isTupleTypeNode(type) ? type : ts.isTypeOperatorNode(type) ? tupleOf(type.type) : undefined

/**
 * A step that is not taken: an answer with the state as it was, the state as it was and no transition, nothing instead
 * of something.
 */
const steps = (node: ts.Node): ReadonlyArray<Replacement> => {
  if (!ts.isArrowFunction(node) || node.type === undefined) return []
  const type = node.type
  const ends = results(node.body)
  const tuple = tupleOf(type)
  if (optional(type)) return ends.map((end) => [end, "undefined"])
  if (tuple === undefined) {
    const before = node.parameters.find((each) => !isPlain(type) && each.type?.getText() === type.getText())
    return before === undefined ? [] : ends.map((end) => [end, before.name.getText()])
  }
  const [told, held] = tuple.elements
  if (told === undefined || held === undefined || node.parameters.every((each) => each.name.getText() !== "state")) {
    return []
  }
  return ends.flatMap((end): ReadonlyArray<Replacement> => {
    const next = ts.isArrayLiteralExpression(end) ? end.elements[1] : undefined
    const unmoved: ReadonlyArray<Replacement> = next === undefined ? [] : [[next, "state"]]
    return optional(told) ? [[end, "[undefined, state]"]] : unmoved
  })
}

/** What a node may be replaced by, with text that differs from its own. Types and imports have nothing. */
export const replacements = (node: ts.Node): ReadonlyArray<Replacement> =>
  [literals, arithmetic, branches, omissions, steps]
    .flatMap((find) => find(node))
    .filter(([target, after]) => target.getText() !== after)
