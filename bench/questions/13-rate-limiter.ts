import { RateLimiter } from "@effect-resilience/core"
import { Effect, Exit, RateLimiter as EffectRateLimiter } from "effect"
import { RateLimiter as NpmLimiter } from "limiter"
import { type Case, type Comparison, mustHold, type Question, type Reading } from "../harness/Question.js"
import { random, shuffled } from "../harness/Statistics.js"
import { awaited, bareCall, ended, enteredEach, inFiber, lasting, madeEach, repeated } from "../subjects/Loops.js"

const fewest = 1
const some = 1000
const most = 100_000
const sizes = [fewest, some, most]

/** Enough for every call, and so slow to come back that no key is forgotten while it is measured. */
const plenty = { limit: 1, window: "1 hour", burst: 1_000_000_000 } as const

// A join of numbers and letters would be two strings; flattened, a key is what it is when it comes from a request.
const keys = Array.from({ length: most }, (_, index) => Buffer.from(`tenant-${index}`).toString())

/** The first `count` keys in random order, again and again. */
const inRandomOrder = (count: number): (() => string) => {
  const order = shuffled(keys.slice(0, count), random(count))
  let place = 0
  return () => {
    if (place === count) place = 0
    return order[place++] ?? ""
  }
}

const mustRefuse = async (): Promise<void> => {
  const limiter = await lasting(RateLimiter.make("proved", { limit: 10, window: "1 hour", burst: 2 }))
  const take = (key: string) => Effect.exit(limiter.take({ key }))
  const [first, second, third, other] = await Effect.runPromise(
    Effect.all([take("one"), take("one"), take("one"), take("other")])
  )
  mustHold([first, second, other].every(Exit.isSuccess) && Exit.isFailure(third), "the limiter does not limit a key")
}

const mustForget = async (): Promise<void> => {
  const limiter = await lasting(RateLimiter.make("idle", { limit: 100, window: "1 second" }))
  const several = keys.slice(0, some)
  await Effect.runPromise(Effect.forEach(several, (key) => limiter.take({ key })))
  const used = await Effect.runPromise(limiter.snapshot)
  const others = Effect.replicateEffect(Effect.exit(limiter.take({ key: "another" })), some)
  await Effect.runPromise(Effect.delay(others, "20 millis"))
  const later = await Effect.runPromise(limiter.snapshot)
  mustHold(used.keys > 1 && later.keys === 1, `of ${used.keys} keys ${later.keys} are left when they are idle`)
}

const mustWait = async (): Promise<void> => {
  const stock = await lasting(EffectRateLimiter.make({ limit: 2, interval: "100 millis" }))
  const [, took] = await ended(Effect.replicateEffect(stock(Effect.void), 3))
  mustHold(took >= 45, `Effect's RateLimiter lets a call through after ${took} ms`)
  const peer = new NpmLimiter({ tokensPerInterval: 2, interval: 3_600_000 })
  mustHold(peer.tryRemoveTokens(2) && !peer.tryRemoveTokens(1), "limiter does not limit")
}

/** Takes of so many keys, and how many there were. */
const taking = async (count: number) => {
  const limiter = await lasting(RateLimiter.make(`bench-${count}`, { ...plenty, maxKeys: most }))
  const key = inRandomOrder(count)
  for (let index = 0; index < count; index++) await Effect.runPromise(limiter.take({ key: keys[index] }))
  const subject: Case = {
    name: `take, ${count} keys`,
    run: madeEach(() => limiter.take({ key: key() }))
  }
  return { subject, limiter }
}

/** What looking for a key costs by itself: as many, in as random an order, each with a number of its own to count. */
const counting = (count: number): Case => {
  const held = new Map(keys.slice(0, count).map((key) => [key, { used: 0 }]))
  const key = inRandomOrder(count)
  const used = Effect.sync(() => {
    const entry = held.get(key())
    if (entry !== undefined) entry.used++
  })
  return { name: `a Map alone, ${count} keys`, run: inFiber(used) }
}

const ofPlenty = () => new NpmLimiter({ tokensPerInterval: 1_000_000_000, interval: 3_600_000 })

/** So many keys, of which the processor's caches have room for all. */
const flat: Comparison = {
  question: `take, ${some} keys in random order`,
  peer: "1 key",
  goal: 2,
  ours: (of) => of(`take, ${some} keys`).wall,
  theirs: (of) => of(`take, ${fewest} keys`).wall
}

/** What each call costs more of so many keys than of one. */
const added =
  (name: string, count: number) =>
  (of: Reading): number =>
    of(`${name}, ${count} keys`).wall - of(`${name}, ${fewest} keys`).wall

/** So many that each call misses the caches: against what that costs who looks for a key and does nothing else. */
const flatAsMap: Comparison = {
  question: `what ${most} keys in random order add to a take`,
  peer: "a Map alone",
  goal: 1.5,
  ours: added("take", most),
  theirs: added("a Map alone", most)
}

/** Permits that are there, of few keys and of many. */
export const question: Question = {
  id: 13,
  title: "a rate limiter's take, where there are permits",
  prepare: async () => {
    await mustRefuse()
    await mustForget()
    await mustWait()
    const one = await lasting(RateLimiter.make("bench", plenty))
    const many = await Promise.all(sizes.map(taking))
    // Made for each sample: its fiber goes on refilling for as long as it has given permits, beside what comes after it.
    const stock = EffectRateLimiter.make({ limit: 1_000_000_000, interval: "1 second" })
    const ofStock = (calls: number) =>
      Effect.runPromise(Effect.scoped(Effect.flatMap(stock, (limited) => repeated(limited(Effect.void), calls))))
    const [removing, trying] = [ofPlenty(), ofPlenty()]
    // With keys that come back to what they were within a millisecond.
    const passing = await lasting(RateLimiter.make("passing", { limit: 1_000_000, window: "1 second" }))
    let passed = 0
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "take", run: madeEach(() => one.take()) },
        ...many.map(({ subject }) => subject),
        { name: "take, a new key for each", run: madeEach(() => passing.take({ key: `k${passed++}` })) },
        ...sizes.map(counting),
        { name: "Effect's RateLimiter", run: ofStock },
        { name: "take, one runPromise each", run: enteredEach(one.take()) },
        { name: "limiter removeTokens", run: awaited(() => removing.removeTokens(1)) },
        { name: "limiter tryRemoveTokens, in a promise", run: awaited(async () => trying.tryRemoveTokens(1)) }
      ],
      comparisons: [
        {
          question: "take",
          peer: "Effect's RateLimiter",
          goal: 0.15,
          ours: (of) => of("take").wall,
          theirs: (of) => of("Effect's RateLimiter").wall
        },
        {
          question: "take",
          peer: "limiter removeTokens",
          goal: 1.5,
          ours: (of) => of("take").wall,
          theirs: (of) => of("limiter removeTokens").wall
        },
        flat,
        flatAsMap
      ],
      afterwards: async () => {
        for (const [index, { limiter }] of many.entries()) {
          const { keys: kept, overflowed } = await Effect.runPromise(limiter.snapshot)
          mustHold(kept === sizes[index] && overflowed === 0, `${kept} keys are kept of ${sizes[index]}`)
        }
        const { remaining } = await Effect.runPromise(one.take())
        mustHold(remaining < plenty.burst - 1000, "the limiter counted nothing")
      }
    }
  }
}
