/** What a page forbids: each term as a pattern of whole words, with its forms in brackets before it. */
export interface GoneTerm {
  term: string
  pattern: RegExp
}

/** Chapters with terms: gone everywhere, and gone only from comments. */
export const goneChapters = { everywhere: 'Terms that are gone', comments: 'Gone from comments' }

/** Rows of a chapter's table: `of itself (says, said)` is `says of itself` and `said of itself`. */
export function goneTerms(page: string, chapter: string = goneChapters.everywhere): GoneTerm[] {
  const table = page.split(`## ${chapter}\n`)[1]?.split('\n## ')[0] ?? ''
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
  const any = new RegExp(terms.map(({ pattern }) => pattern.source).join('|'), 'i')
  if (!any.test(text)) return []
  return text
    .split('\n')
    .flatMap((line, index) =>
      identifier.test(line)
        ? []
        : terms.filter(({ pattern }) => pattern.test(line)).map(({ term }) => `${index + 1}: ${term}`),
    )
}

/** A source with everything but its comments removed; lines keep their numbers. */
export function commentsOf(text: string): string {
  let within = false
  return text
    .split('\n')
    .map((line) => {
      const code = line.trimStart()
      const comment = within || /^(?:\/\/|\/\*|#(?!!))/.test(code)
      if (code.startsWith('/*') || within) within = !line.includes('*/')
      const at = line.search(/\s(?:\/\/|\/\*)\s/)
      const inText = ["'", '"', '`'].some((quote) => line.slice(0, at).split(quote).length % 2 === 0)
      return comment ? line : at < 0 || inText ? '' : line.slice(at)
    })
    .join('\n')
}
