/** What a page forbids: each term as a pattern of whole words, with its forms in brackets before it. */
export interface GoneTerm {
  term: string
  pattern: RegExp
}

/** Rows of the table below "Terms that are gone": `of itself (says, said)` is `says of itself` and `said of itself`. */
export function goneTerms(page: string): GoneTerm[] {
  const table = page.split('## Terms that are gone')[1] ?? ''
  return [...table.matchAll(/^\| (?!Gone \||---)([^|]+?) \|/gm)].map(([, term]) => {
    const [, words, forms] = /^(.+?)(?: \((.+)\))?$/.exec(term!)!
    const before = forms === undefined ? '' : `(?:${forms.split(', ').join('|')}) `
    // Capitals mark names in code.
    return { term: term!, pattern: new RegExp(`\\b${before}${words}\\b`, /[A-Z]/.test(words!) ? '' : 'i') }
  })
}

/** An identifier with that name, not a word of a sentence. */
const identifier =
  /\bo\.anew\b|\{ anew\b|\banew\??: |\bconst anew\b|\bexpect\(anew\b|\banew\[0\]|^\s+anew,\s*$|@param (?:o\.)?anew\b/

/** Lines of a text that use one of them: `line: term`. */
export function findings(text: string, terms: readonly GoneTerm[]): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      identifier.test(line)
        ? []
        : terms.filter(({ pattern }) => pattern.test(line)).map(({ term }) => `${index + 1}: ${term}`),
    )
}
