import { ServiceError } from '@strongroom/platform'
import { invalid, missing, unchangeable, unsupported, type Problem } from './refusals.ts'
import { faqRule } from './faq-rule.ts'
import { tagProblems } from './tag-limits.ts'

export type { Problem, SettledProblem } from './refusals.ts'

/** Refuses a request with all its problems: the first is the error, all are its details, followed by the FAQ rules they result from. */
export function refuse(problems: Problem[]): ServiceError {
  const [first] = problems
  if (first === undefined) throw new TypeError('there is nothing to refuse')
  const asDetail = (p: Problem): ReturnType<ServiceError['toDetail']> => new ServiceError(p).toDetail()
  const rules = [...new Set(problems.flatMap(({ rule }) => (rule === undefined ? [] : [rule])))]
  const details = [...(problems.length > 1 ? problems.map(asDetail) : []), ...rules.map(faqRule)]
  return new ServiceError({ ...first, ...(details.length > 0 && { details }) })
}

/** How many unknown members one answer names. */
const mostNamed = 10

/**
 * Reads a request body from any client: names in any case, null as absent, booleans also as text (templates send
 * "true"). Invalid values are added to `problems`, so that one answer names them all.
 */
export class Fields {
  readonly path: string
  readonly problems: Problem[]
  readonly #given: object
  readonly #members: Map<string, unknown>
  readonly present: boolean

  constructor(value: unknown, path: string = '', problems: Problem[] = []) {
    this.path = path
    this.problems = problems
    this.present = value !== undefined && value !== null
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (this.present && !isObject) this.#wrong(path || 'request body', 'an object', value)
    this.#given = isObject ? value : {}
    this.#members = new Map(Object.entries(this.#given).map(([name, member]) => [name.toLowerCase(), member]))
  }

  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }

  get names(): string[] {
    return [...this.#members.entries()].filter(([, value]) => value !== null).map(([name]) => name)
  }

  raw(name: string): unknown {
    return this.#members.get(name.toLowerCase()) ?? undefined
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined
  }

  text(name: string): string | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'string') return value
    this.#wrong(this.at(name), 'text', value)
    return undefined
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'boolean') return value
    const text = typeof value === 'string' ? value.toLowerCase() : ''
    if (text === 'true' || text === 'false') return text === 'true'
    this.#wrong(this.at(name), 'true or false', value)
    return undefined
  }

  integer(name: string, least: number = 0, most: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number
    this.#wrong(this.at(name), `a whole number from ${least} to ${most}`, value)
    return undefined
  }

  /** One of the values, in any case; returned as in `values`. */
  oneOf<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const found = values.find((value) => value.toLowerCase() === text.toLowerCase())
    if (found === undefined) {
      this.problems.push({
        code: 'BadRequest',
        message: `Error converting value "${text.slice(0, 80)}" to type 'System.Nullable\`1[${name}]'. Path '${this.at(name)}'.`,
        target: this.at(name),
        expected: values.join(', '),
        found: text.slice(0, 80),
        remedy: 'Use one of the expected values.',
      })
    }
    return found
  }

  object(name: string): Fields {
    return new Fields(this.raw(name), this.at(name), this.problems)
  }

  /**
   * @param most Azure's maximum, or where the list is compared with a smaller limit or refused, one that is enough for
   *   that. Entries are looked up and compared with each other, so each list is counted before it is read (attack W22).
   */
  list(name: string, most: number): Fields[] {
    return this.#array(name, most).map((item, index) => new Fields(item, `${this.at(name)}[${index}]`, this.problems))
  }

  /** @param most as of `list` */
  texts(name: string, most: number): string[] {
    const items = this.#array(name, most)
    const wrong = items.find((item) => typeof item !== 'string')
    if (wrong !== undefined) this.#wrong(this.at(name), 'a list of strings', wrong)
    return items.filter((item) => typeof item === 'string')
  }

  /**
   * A map's members, null ones too: clients send null for what they remove. Undefined if absent. Counted as `list` is,
   * for maps whose names are looked up.
   */
  members(name: string, most: number): [string, unknown][] | undefined {
    const map = this.object(name)
    if (!map.present) return undefined
    const members = Object.entries(map.#given)
    if (members.length <= most) return members
    this.#wrong(this.at(name), `a map of at most ${most} members`, members, `${members.length} members`)
    return []
  }

  /** A map of texts; its names keep their case. Tags are within Azure's limits. */
  textMap(name: string): Record<string, string> | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const isMap = typeof value === 'object' && !Array.isArray(value)
    if (!isMap || Object.values(value as object).some((item) => item !== null && typeof item !== 'string')) {
      this.#wrong(this.at(name), 'a map of strings', value)
      return undefined
    }
    const map = Object.fromEntries(
      Object.entries(value as Record<string, string | null>).map(([key, item]) => [key, item ?? '']),
    )
    if (name === 'tags') this.problems.push(...tagProblems(map, this.at(name)))
    return map
  }

  problem(problem: Problem): void {
    this.problems.push(problem)
  }

  invalid(...problem: Parameters<typeof invalid>): void {
    this.problem(invalid(...problem))
  }

  missing(...problem: Parameters<typeof missing>): void {
    this.problem(missing(...problem))
  }

  unsupported(...problem: Parameters<typeof unsupported>): void {
    this.problem(unsupported(...problem))
  }

  unchangeable(...problem: Parameters<typeof unchangeable>): void {
    this.problem(unchangeable(...problem))
  }

  /**
   * Refuses all other members by name. For requests about access: a restriction that is ignored, perhaps for a typing
   * error in its name, grants what nobody meant to grant.
   */
  only(...names: string[]): void {
    const known = new Set(names.map((name) => name.toLowerCase()))
    const others = Object.entries(this.#given).filter(
      ([name, value]) => value !== null && !known.has(name.toLowerCase()),
    )
    for (const [name] of others.slice(0, mostNamed)) {
      const short = name.slice(0, 80)
      this.unsupported(this.at(short), `'${short}' has no effect here, so it is not accepted.`, {
        expected: names.join(', '),
        found: short,
        remedy: `Omit ${short}.`,
      })
    }
  }

  /** @throws ServiceError with every problem found so far */
  assertSound(): void {
    if (this.problems.length > 0) throw refuse(this.problems)
  }

  #array(name: string, most: number): unknown[] {
    const value = this.raw(name)
    if (value === undefined) return []
    if (!Array.isArray(value)) this.#wrong(this.at(name), 'a list', value)
    else if (value.length <= most) return value
    else this.#wrong(this.at(name), `a list of at most ${most} entries`, value, `${value.length} entries`)
    return []
  }

  #wrong(
    target: string,
    expected: string,
    value: unknown,
    found: string = Array.isArray(value) ? 'a list' : typeof value,
  ): void {
    this.problems.push({
      code: 'InvalidRequestContent',
      message: `The request content was invalid and could not be deserialized: '${target}' must be ${expected}.`,
      target,
      expected,
      found,
      remedy: `Send ${expected}.`,
    })
  }
}

/** A deep copy without nulls: Azure's clients send null for what they leave open. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([name, item]) => [name, withoutNulls(item)]),
  )
}
