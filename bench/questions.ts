/** One question that the benchmarks answer, and the ratio that counts as met. */
export interface Question {
  readonly number: number
  readonly question: string
  readonly goal: string
}

export const questions: ReadonlyArray<Question> = [
  {
    number: 1,
    question: "bulkhead, breaker, retry, timeout, fallback on a successful async call, against the bare call",
    goal: "<= 3.5x"
  },
  { number: 2, question: "the same against cockatiel's wrap of five", goal: "<= 0.20x" },
  { number: 3, question: "the same against the same five from stock Effect operators", goal: "<= 0.06x" },
  { number: 4, question: "breaker alone against the breaker of Effect 4.1", goal: "<= 0.35x" },
  { number: 5, question: "a rejected call against the rejections of cockatiel and opossum", goal: "<= 0.10x" },
  { number: 6, question: "timeout alone against Effect.timeoutFail", goal: "<= 0.10x" },
  { number: 7, question: "bulkhead, 10,000 callers on 100 permits, against no limit", goal: "<= 1.6x" },
  {
    number: 8,
    question: "settling with windows of 100, 10,000 and 100,000 outcomes, against each other",
    goal: "within 2x"
  },
  { number: 9, question: "heap per keyed breaker at 100,000 keys", goal: "<= 400 bytes" },
  { number: 10, question: "telemetry with all sinks on against off, per successful call", goal: "<= 1.25x" },
  { number: 11, question: "question 1 under a published deadline", goal: "<= 8x" }
]
