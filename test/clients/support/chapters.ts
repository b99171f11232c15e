import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AzShell, azIsInstalled, type Outcome } from './az.ts'
import { writeCompatibility } from './compatibility.ts'

/** The shell of the test file that called `useShell`. */
export let shell: AzShell
let section = ''
/** Calls not made yet, or failed; the page is written only if there are none. */
const pending = new Set<string>()

/**
 * Starts an installation for the file's tests, and then writes its part of docs/reference/compatibility.md.
 * @param options of the `strongroom env` whose settings the shell has
 */
export function useShell(client: string, title: string, ...options: string[]): void {
  beforeAll(async () => {
    if (azIsInstalled) shell = await AzShell.open(...options)
  }, 120_000)

  afterAll(async () => {
    if (!azIsInstalled) return
    if (pending.size === 0) await writeCompatibility(client, title, shell.rows)
    await shell.close()
  }, 60_000)
}

/** One line of the page. */
export const note = (call: string, result: string): void => void shell.rows.push({ section, call, result })

/** A separate test, in a chapter of the page. */
export function calls(chapter: string, name: string, work: () => Promise<void>, timeout?: number): void {
  pending.add(name)
  it(
    name,
    async () => {
      section = chapter
      await work()
      pending.delete(name)
    },
    timeout,
  )
}

/** A list has an element with this member. */
export const has =
  (member: string, value: string) =>
  (body: Outcome['body']): void =>
    expect(body).toContainEqual(expect.objectContaining({ [member]: value }))

/** A command that must succeed; `look` gets its JSON. */
export function works(
  line: string,
  look: (body: Outcome['body'], outcome: Outcome) => void = () => {},
  o: { as?: string } = {},
): void {
  const chapter = section
  calls(chapter, `az ${line}`, async () => {
    const outcome = await shell.az(line)
    expect(
      outcome.stderr.split('\n').filter((each) => each.startsWith('ERROR') && !each.includes('command module')),
      line,
    ).toEqual([])
    expect(outcome.code, outcome.stderr).toBe(0)
    look(outcome.body, outcome)
    note(`az ${o.as ?? line}`, 'works')
  })
}

/** A command that must be refused with the code. */
export function refused(line: string, code: string, o: { offered?: boolean } = {}): void {
  const chapter = section
  calls(chapter, `az ${line} is refused: ${code}`, async () => {
    const outcome = await shell.az(line)
    expect(outcome.code, outcome.stdout).not.toBe(0)
    expect(outcome.stderr).toContain(code)
    note(`az ${line}`, `${o.offered === false ? 'not offered' : 'refused'}: ${code}`)
  })
}

/** A chapter. */
export const suite = (name: string, define: () => void): void => {
  describe.skipIf(!azIsInstalled)(name, () => {
    section = name
    define()
  })
}
