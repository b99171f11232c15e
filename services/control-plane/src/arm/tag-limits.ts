import type { Problem, SettledProblem } from './refusals.ts'

const mostTags = 50
const longestName = 512
const longestValue = 256
/** Also control characters. Azure's own tags (`hidden-link:/subscriptions/…`) may have them. */
const reserved = /[<>%&\\?/\p{Cc}]/u
const ofAzure = /^(?:hidden|link)/i

/** What exceeds Azure's limits on the tags of a resource, a group or the subscription, with Azure's codes. */
export function tagProblems(tags: Record<string, string>, target: string): Problem[] {
  const names = Object.keys(tags)
  const named = (code: SettledProblem['code'], found: string[], message: (names: string) => string): Problem[] =>
    found.length === 0
      ? []
      : [{ code, message: message(found.join(', ').slice(0, 200)), target, found: found[0]!.slice(0, 80) }]
  return [
    ...(names.length > mostTags
      ? [
          {
            code: 'InvalidTags',
            message: `A resource has at most ${mostTags} tags.`,
            target,
            expected: `at most ${mostTags}`,
            found: String(names.length),
          } satisfies Problem,
        ]
      : []),
    ...named(
      'InvalidTagNameCharacters',
      names.filter((name) => reserved.test(name) && !ofAzure.test(name)),
      (found) => `The tag names '${found}' have reserved characters '<,>,%,&,\\,?,/' or control characters.`,
    ),
    ...named(
      'InvalidTagName',
      names.filter((name) => name === '' || name.length > longestName),
      (found) => `Tag names have 1 to ${longestName} characters: '${found}'.`,
    ),
    ...named(
      'InvalidTagValueLength',
      names.filter((name) => tags[name]!.length > longestValue),
      (found) =>
        `Tag value too large: '${found}'. Maximum allowed length for tag value - '${longestValue}' characters.`,
    ),
  ]
}
