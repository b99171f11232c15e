/**
 * What this browser stores for a person between visits. Unreadable data counts as damaged, never as absent: earlier
 * decisions are not replaced by anybody's statement.
 */
export class KeptDamaged extends Error {}

/** @throws KeptDamaged */
export function readKept<T>(key: string, holds: (value: Partial<T>) => boolean): T | undefined {
  const text = localStorage.getItem(key)
  if (text === null) return undefined
  try {
    const value = JSON.parse(text) as Partial<T> | null
    if (typeof value === 'object' && value !== null && holds(value)) return value as T
  } catch {
    // Said below.
  }
  throw new KeptDamaged(`What this browser keeps under ${key} cannot be read. Remove it only if you know why.`)
}

export const keep = (key: string, value: object): void => localStorage.setItem(key, JSON.stringify(value))
