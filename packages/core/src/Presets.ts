/**
 * Options of `Policy.standard` for common kinds of calls, to be spread and overridden.
 *
 * By operation the number in the first line is the `deadline`: what a caller waits in all, retries included. By dependency
 * it is the `timeout`: what one attempt may take. In every preset all attempts and waits fit the deadline in the worst case.
 * Retries are for operations that may be repeated: set `retry: "none"` for those that may not.
 */
import * as Backoff from "./Backoff.js"
import { rate, time } from "./TripOptions.js"

const quick = Backoff.fullJitter({ base: "50 millis", cap: "200 millis" })
const usual = Backoff.fullJitter({ base: "100 millis", cap: "1 second" })

// A time window shorter than two attempts forgets timeouts before there are enough of them to trip.
const overTwoMinutes = rate({ threshold: 0.5, window: time("2 minutes"), minimumCalls: 10 })

/** 1 s in all: a check that hangs is an answer, and repeating it would hide a dependency that flaps. */
export const healthCheck = { deadline: "1 second", timeout: "1 second", retry: "none", idempotent: true } as const

/** 3 s in all, two attempts of 1.4 s: a lookup by key takes milliseconds, so a second try costs less than an error. */
export const simpleQuery = {
  deadline: "3 seconds",
  timeout: "1400 millis",
  retry: { maxRetries: 1, backoff: quick },
  idempotent: true
} as const

/** 10 s in all, two attempts of 4.5 s: more repetitions of a heavy query load a database that is slow already. */
export const complexQuery = {
  deadline: "10 seconds",
  timeout: "4500 millis",
  retry: { maxRetries: 1, backoff: usual },
  idempotent: true
} as const

/** 60 s in all and one attempt: a body that was half sent cannot be assumed to be repeatable. */
export const upload = {
  deadline: "60 seconds",
  timeout: "60 seconds",
  retry: "none",
  circuitBreaker: { tripPolicy: overTwoMinutes }
} as const

/** 500 ms in all, one retry: a person waits, and an answer that comes later is of no use. */
export const realtime = {
  deadline: "500 millis",
  timeout: "200 millis",
  retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: "50 millis", cap: "50 millis" }) },
  idempotent: true
} as const

/** 8 retries over up to 10 minutes: nobody waits, so it outlasts a restart or a failover of the dependency. */
export const background = {
  deadline: "10 minutes",
  timeout: "20 seconds",
  circuitBreaker: { tripPolicy: overTwoMinutes },
  retry: { maxRetries: 8, backoff: Backoff.fullJitter({ base: "1 second", cap: "1 minute" }) },
  idempotent: true
} as const

/** 500 ms an attempt, one retry: an indexed read that takes longer waits for a lock or a connection. */
export const database = {
  deadline: "2 seconds",
  timeout: "500 millis",
  retry: { maxRetries: 1, backoff: quick },
  idempotent: true
} as const

/** 5 s an attempt, no retry: the second run of an expensive query competes with the first, which may still be running. */
export const databaseComplex = { deadline: "6 seconds", timeout: "5 seconds", retry: "none" } as const

/** 200 ms an attempt, no retry: a miss is answered by the source, which costs less than asking twice. */
export const cache = { deadline: "300 millis", timeout: "200 millis", retry: "none" } as const

/** 2 s an attempt, one retry: another instance behind the load balancer may well be fine. */
export const internalService = {
  deadline: "5 seconds",
  timeout: "2 seconds",
  retry: { maxRetries: 1, backoff: usual },
  idempotent: true
} as const

/** 10 s an attempt, no retry: a charge whose reply was lost may have happened. With an idempotency key override `retry`. */
export const payment = { deadline: "12 seconds", timeout: "10 seconds", retry: "none", idempotent: false } as const

/** 5 s an attempt, no retry: a mail whose reply was lost arrives twice; put the sending in a queue instead. */
export const email = { deadline: "6 seconds", timeout: "5 seconds", retry: "none", idempotent: false } as const

/** 30 s an attempt, no retry, 10 at a time: an inference occupies a scarce accelerator, and is not made faster by asking twice. */
export const mlInference = {
  deadline: "35 seconds",
  timeout: "30 seconds",
  retry: "none",
  circuitBreaker: { openDuration: "1 minute", tripPolicy: overTwoMinutes },
  bulkhead: { maxConcurrent: 10 }
} as const

/** 1 s an attempt, one retry, for reading stock: an order waits for it. A reservation is not repeated: override `retry`. */
export const inventory = {
  deadline: "3 seconds",
  timeout: "1 second",
  retry: { maxRetries: 1, backoff: usual },
  idempotent: true
} as const

/** 3 s an attempt, no retry: nothing depends on it, and a message that arrives twice annoys. */
export const notification = { deadline: "4 seconds", timeout: "3 seconds", retry: "none", idempotent: false } as const
