import type { Connection } from '../../core/connection.ts'
import type { Host } from '../host/host.ts'
import { MetadataLiar } from '../host/metadata-liar.ts'
import type { Choices } from './choices.ts'
import type { Mutation } from './mutation.ts'
import { anotherValue, filled } from './payloads.ts'

/** An answer of the control boot: to the guest by its metadata endpoint, or to the owner by the server. */
export interface Answer {
  /** `guest GET /path`, `owner POST /path`: identifiers and digits of the path do not count. */
  name: string
  body: Buffer
}

/** Identifiers differ from boot to boot, and the VM's from VM to VM. */
const plain = (path: string): string =>
  path
    .replace(/\?.*/, '')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, 'ID')
    .replaceAll(/\d+/g, 'N')

export const guestAnswer = (method: string, path: string): string => `guest ${method} ${plain(path)}`
export const ownerAnswer = (method: string, url: string): string => `owner ${method} ${plain(new URL(url).pathname)}`

/** Members or lines of a body: what can be changed one by one. */
function membersOf(body: Buffer): { json: unknown; leaves: string[][] } | { lines: string[] } {
  try {
    const json: unknown = JSON.parse(body.toString())
    const leaves: string[][] = []
    const visit = (value: unknown, path: string[]): void => {
      if (path.length > 0) leaves.push(path)
      if (typeof value === 'object' && value !== null)
        for (const [key, member] of Object.entries(value)) visit(member, [...path, key])
    }
    visit(json, [])
    if (leaves.length > 0) return { json, leaves }
  } catch {
    // Lines then.
  }
  return { lines: body.toString('latin1').split('\n') }
}

/** One change of one member or line of an answer, or of the whole. */
export function drawAnswer(choices: Choices, answers: readonly Answer[]): Mutation {
  const { name } = choices.pickNamed(answers, (answer) => answer.name)
  const operation = choices.pick([
    'exchange',
    'exchange',
    'exchange',
    'drop',
    'double',
    'move',
    'empty',
    'older',
  ] as const)
  const value = operation === 'exchange' ? { value: anotherValue(choices, 'text') } : {}
  return { kind: 'answers', target: name, operation, place: choices.place(), ...value }
}

/** The body with the mutation. @param value in place of a member or of the value of a line @param older answer of the control boot */
export function changeBody(
  body: Buffer,
  { operation, place = 0, value = '' }: Pick<Mutation, 'operation' | 'place' | 'value'>,
  older: Buffer = body,
): Buffer {
  if (operation === 'older') return older
  if (operation === 'empty') return Buffer.alloc(0)
  const found = membersOf(body)
  if ('lines' in found) return Buffer.from(changeLines(found.lines, { operation, place, value }).join('\n'), 'latin1')
  const path = found.leaves[Math.floor(place * found.leaves.length)]!
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], found.json)
  const holder = parent as Record<string, unknown>
  const key = path.at(-1)!
  if (operation === 'drop') {
    if (Array.isArray(parent)) parent.splice(Number(key), 1)
    else delete holder[key]
  } else if (operation === 'exchange') holder[key] = anotherMember(holder[key], value)
  else if (Array.isArray(parent)) {
    if (operation === 'double') parent.push(parent[Number(key)])
    else parent.reverse()
  } else if (operation === 'double') return Buffer.from(doubled(JSON.stringify(found.json), key, holder[key]))
  else {
    const keys = Object.keys(holder)
    const next = keys[(keys.indexOf(key) + 1) % keys.length]!
    ;[holder[key], holder[next]] = [holder[next], holder[key]]
  }
  return Buffer.from(JSON.stringify(found.json))
}

/** A member twice in one object: the second one has another value. */
function doubled(text: string, key: string, value: unknown): string {
  const member = `${JSON.stringify(key)}:${JSON.stringify(value)}`
  return text.replace(member, () => `${member},${JSON.stringify(key)}:${JSON.stringify(anotherMember(value, 'x'))}`)
}

function anotherMember(member: unknown, value: string): unknown {
  if (typeof member === 'boolean') return !member
  if (typeof member === 'number') return member - 1
  if (typeof member !== 'string' || member === '') return value
  // Half of a signed or encoded text is one byte off, so that it is read before it is refused.
  if (member.length < 40) return value
  const middle = member.length >> 1
  return `${member.slice(0, middle)}${member[middle] === 'A' ? 'B' : 'A'}${member.slice(middle + 1)}`
}

/** Lines as the agent reads them: a name, a blank, Base64. */
function changeLines(
  lines: readonly string[],
  { operation, place, value }: Required<Pick<Mutation, 'operation' | 'place' | 'value'>>,
): string[] {
  const index = Math.floor(place * lines.length)
  const [name = '', coded] = lines[index]!.split(' ')
  if (operation === 'drop') return lines.toSpliced(index, 1)
  if (operation === 'double') return lines.toSpliced(index, 0, lines[index]!)
  if (operation === 'move') return lines.toReversed()
  const put = coded === undefined ? value : `${name} ${Buffer.from(value).toString('base64')}`
  return lines.toSpliced(index, 1, put)
}

/** Puts mutations in the way of the guest and of the owner. */
export async function changeAnswers(
  host: Host,
  answers: readonly Answer[],
  mutations: readonly Mutation[],
): Promise<void> {
  const changes = new Map<string, (body: Buffer) => Buffer>()
  for (const mutation of mutations) {
    const { target } = mutation
    const older = answers.find(({ name }) => name === target)?.body
    const value = await filled(mutation.value ?? '', host)
    const before = changes.get(target)
    changes.set(target, (body) => changeBody(before?.(body) ?? body, { ...mutation, value }, older))
  }
  const change = (name: string, body: Buffer): Buffer => changes.get(name)?.(body) ?? body
  const between = host.judgesBy
  host.judgesBy = (connection) => watchOwner(between?.(connection) ?? connection, change)
  if (mutations.some(({ target }) => target.startsWith('guest ')))
    await host.lie(new MetadataLiar({ answer: ({ method, path }, body) => change(guestAnswer(method, path), body) }))
}

/** A connection whose answers pass through `through`. */
export const watchOwner = (connection: Connection, through: (name: string, body: Buffer) => Buffer): Connection => ({
  ...connection,
  https: {
    close: () => connection.https.close(),
    request: async (options) => {
      const answer = await connection.https.request(options)
      const own = Buffer.from(answer.bytes)
      const bytes = through(ownerAnswer(options.method, options.url), own)
      if (bytes === own) return answer
      const text = bytes.toString('utf8')
      let json: unknown
      try {
        json = answer.json === undefined ? undefined : JSON.parse(text)
      } catch {
        json = undefined
      }
      return { ...answer, bytes, text, json }
    },
  },
})
