/**
 * Which calls an experiment may reach: a share of keys, always the same ones.
 */

/** FNV-1a over the characters, then mixed: keys that differ in one digit must not land side by side. */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Where a key stands in [0, 1): the same in every process and at every call; another place for each experiment. */
export const placeOf = (experiment: string, key: string): number => hash(`${experiment}\n${key}`) / 4_294_967_296

/** Whether a key is within a share of all keys. A larger share has all keys of a smaller one. */
export const isWithin = (experiment: string, key: string, share: number): boolean => placeOf(experiment, key) < share
