const reads = [/\benv\.([A-Z][A-Z0-9_]+)/g, /\benv\['([A-Z][A-Z0-9_]+)'\]/g, /\bxdg\('([A-Z][A-Z0-9_]+)'/g]
const taken = /\{([^{}]*)\} = (?:process\.)?env\b/g
const kept = /['`](strongroom\.[a-z-]+)/g

/** Names of the environment's variables that sources read. */
export function variablesIn(texts: readonly string[]): string[] {
  const found = texts.flatMap((text) => [
    ...reads.flatMap((read) => [...text.matchAll(read)].map(([, name]) => name!)),
    ...[...text.matchAll(taken)].flatMap(([, names = '']) => names.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []),
  ])
  return [...new Set(found)]
}

/** Names under which the portal keeps what a person trusts, in the browser. */
export const keptIn = (texts: readonly string[]): string[] => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(kept)].map(([, name]) => name!))),
]
