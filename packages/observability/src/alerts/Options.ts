/**
 * The options of `AlertRules`, their defaults and their checks.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { type Duration, Either } from "effect"

/** A share that must last. */
export interface Share {
  /** The alert fires above this share. Above 0 and below 1. */
  readonly above?: number | undefined
  /** How long it must have lasted. From 0. */
  readonly for?: Duration.DurationInput | undefined
}

/** A share that must not last. */
export interface LowShare extends Pick<Share, "for"> {
  /** The alert fires below this share. Above 0, at most 1. */
  readonly below?: number | undefined
}

/** A count within a span of time. */
export interface Count {
  /** The alert fires above this number. A whole number from 0 to 100. */
  readonly above?: number | undefined
  /** The time within which it is counted. From 8 scrapes for each trip that it takes to fire: a shorter count is inexact. */
  readonly within?: Duration.DurationInput | undefined
}

/** When each alert fires. */
export interface Thresholds {
  /** The share of attempts that time out. Default above 0.05 for 5 minutes. */
  readonly timeouts?: Share | undefined
  /** The trips of one circuit. Default more than 3 within 1 hour. */
  readonly trips?: Count | undefined
  /** The same over a long time: a burn so slow that nobody looks. Default more than 4 within 1 day. */
  readonly slowBurn?: Count | undefined
  /** Retries for each call that was let through; above 1 is possible. Default above 0.2 for 5 minutes. */
  readonly retries?: Share | undefined
  /** The share of retries that succeed. Default below 0.5 for 5 minutes. */
  readonly retrySuccess?: LowShare | undefined
  /** The share of a bulkhead's permits that are in use. Default above 0.8 for 10 minutes. */
  readonly bulkhead?: Share | undefined
  /** How long degraded answers were given. Default for 5 minutes. */
  readonly fallback?: Pick<Share, "for"> | undefined
}

/** What rules and their tests are made of. */
export interface Options {
  /** The one service, which is a policy's name, that the rules are about. Default all of them. */
  readonly service?: string | undefined
  readonly thresholds?: Thresholds | undefined
  /** How often Prometheus scrapes, which is how often the rules are evaluated. From 1 second; default 15 seconds. */
  readonly scrapeInterval?: Duration.DurationInput | undefined
  /** The time over which rates are taken. From 4 scrapes; default 5 minutes. */
  readonly window?: Duration.DurationInput | undefined
  /** The address of the page that tells what to do, for links to its sections. Default `docs/operating.md`. */
  readonly runbook?: string | undefined
}

/** A limit, and how long what is beyond it must have lasted. */
export interface Lasting {
  readonly limit: number
  readonly forMillis: number
}

/** A limit, and the time within which is counted. */
export interface Counted {
  readonly limit: number
  readonly withinMillis: number
}

/** Options that were checked. */
export interface Settings {
  readonly service: string | undefined
  readonly scrapeMillis: number
  readonly windowMillis: number
  readonly runbook: string
  readonly timeouts: Lasting
  readonly trips: Counted
  readonly slowBurn: Counted
  readonly retries: Lasting
  readonly retrySuccess: Lasting
  readonly bulkhead: Lasting
  readonly fallback: { readonly forMillis: number }
}

const minute = 60_000
const hour = 60 * minute

/** A counter that was scraped less often within a span of time may show no change in it. */
const scrapesWithin = 4

const problem = (option: string, value: unknown, allowed: string): InvalidOptions.Problem => ({
  option,
  value: typeof value === "string" ? JSON.stringify(value) : String(value),
  allowed
})

const share = (option: string, value: number): InvalidOptions.Checked<number> =>
  value > 0 && value < 1 ? Either.right(value) : Either.left([problem(option, value, "a number above 0 and below 1")])

const lasting = (
  path: string,
  limit: InvalidOptions.Checked<number>,
  length: Duration.DurationInput
): InvalidOptions.Checked<Lasting> =>
  InvalidOptions.every<Lasting>({ limit, forMillis: InvalidOptions.span(`${path}.for`, length, 0) })

/** Prometheus extrapolates a count to the ends of its range, by up to a scrape: over so many it stays off by less than a half. */
export const scrapesForEachTrip = 8

const counted = (
  path: string,
  { above, within }: Count,
  otherwise: Counted,
  scrapeMillis: number
): InvalidOptions.Checked<Counted> => {
  const limit = InvalidOptions.integer(`${path}.above`, above ?? otherwise.limit, 0, 100)
  const toFire = Either.getOrElse(limit, () => 0) + 1
  const least = toFire * scrapesForEachTrip * scrapeMillis
  return InvalidOptions.every<Counted>({
    limit,
    withinMillis: InvalidOptions.span(`${path}.within`, within ?? otherwise.withinMillis, least)
  })
}

const positive = (option: string, value: number): InvalidOptions.Checked<number> =>
  value > 0 && value <= 100 ? Either.right(value) : Either.left([problem(option, value, "a number above 0, up to 100")])

const text = (option: string, value: string): InvalidOptions.Checked<string> =>
  value.trim() === "" ? Either.left([problem(option, value, "a text that is not empty")]) : Either.right(value)

const page = (value: string): InvalidOptions.Checked<string> =>
  InvalidOptions.also(
    text("runbook", value),
    (address) => !address.includes("#") && !/\s/.test(address),
    (address) => problem("runbook", address, "the address of a page, without a section")
  )

/** The settings of options, or all that is wrong with them. */
export const settings = (options: Options): InvalidOptions.Checked<Settings> => {
  const { retrySuccess = {}, ...thresholds } = options.thresholds ?? {}
  const { bulkhead = {}, fallback = {}, retries = {}, slowBurn = {}, timeouts = {}, trips = {} } = thresholds
  const scrape = InvalidOptions.span("scrapeInterval", options.scrapeInterval ?? "15 seconds", 1_000)
  const scrapeMillis = Either.getOrElse(scrape, () => 1_000)
  const least = scrapesWithin * scrapeMillis
  return InvalidOptions.every<Settings>({
    service: options.service === undefined ? InvalidOptions.valid(undefined) : text("service", options.service),
    scrapeMillis: scrape,
    windowMillis: InvalidOptions.span("window", options.window ?? Math.max(5 * minute, least), least),
    runbook: page(options.runbook ?? "docs/operating.md"),
    timeouts: lasting(
      "thresholds.timeouts",
      share("thresholds.timeouts.above", timeouts.above ?? 0.05),
      timeouts.for ?? 5 * minute
    ),
    trips: counted("thresholds.trips", trips, { limit: 3, withinMillis: hour }, scrapeMillis),
    slowBurn: counted("thresholds.slowBurn", slowBurn, { limit: 4, withinMillis: 24 * hour }, scrapeMillis),
    retries: lasting(
      "thresholds.retries",
      positive("thresholds.retries.above", retries.above ?? 0.2),
      retries.for ?? 5 * minute
    ),
    retrySuccess: lasting(
      "thresholds.retrySuccess",
      InvalidOptions.fraction("thresholds.retrySuccess.below", retrySuccess.below ?? 0.5, "0 excluded"),
      retrySuccess.for ?? 5 * minute
    ),
    bulkhead: lasting(
      "thresholds.bulkhead",
      share("thresholds.bulkhead.above", bulkhead.above ?? 0.8),
      bulkhead.for ?? 10 * minute
    ),
    fallback: InvalidOptions.every<{ readonly forMillis: number }>({
      forMillis: InvalidOptions.span("thresholds.fallback.for", fallback.for ?? 5 * minute, 0)
    })
  })
}

/** How long a trip is seen after it happened, so that no opening falls between two scrapes. */
export const tripSeenMillis = ({ scrapeMillis }: Settings): number => scrapesWithin * scrapeMillis
