import type { Json } from '../../store/resources.ts'

/* Stored client input keeps the clients' spelling of member names, which are read in any case. */

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member by name in any case; an empty object if there is none. */
export function objectAt(json: Json | undefined, name: string): Json {
  const found = Object.entries(json ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
  return isJson(found) ? found : {}
}

/** A copy without members of these names. */
export function without(json: Json, names: readonly string[]): Json {
  const gone = new Set(names.map((name) => name.toLowerCase()))
  return Object.fromEntries(Object.entries(json).filter(([name]) => !gone.has(name.toLowerCase())))
}

/** Merges given over existing values: objects member by member, lists as a whole; null keeps the existing value. */
export function merged(before: Json, given: Json): Json {
  const members = new Map(Object.entries(before).map(([name, value]) => [name.toLowerCase(), { name, value }]))
  for (const [name, value] of Object.entries(given)) {
    const key = name.toLowerCase()
    const held = members.get(key)
    if (value === null) continue
    const next = isJson(value) ? merged(isJson(held?.value) ? held.value : {}, value) : value
    members.set(key, { name: held?.name ?? name, value: next })
  }
  return Object.fromEntries([...members.values()].map(({ name, value }) => [name, value]))
}
