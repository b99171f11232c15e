import type { Command as Program } from 'commander'
import { describe, expect, it, vi } from 'vitest'
import { allCommands, firstWords } from '../modules.ts'
import { helpWidth, programOf } from './program.ts'
import { closeSuggestions } from './suggestions.ts'
import { wrappedExample } from './wrapped-example.ts'

const pages = async (width: number): Promise<{ name: string; text: string }[]> => {
  const program = programOf({
    commands: await allCommands(),
    words: firstWords,
    width: { out: width, error: width },
    run: () => Promise.resolve(),
  })
  const every = (at: Program): Program[] => [at, ...at.commands.flatMap(every)]
  const written: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  try {
    return every(program).map((each) => {
      written.length = 0
      each.outputHelp()
      return { name: each.name(), text: written.join('') }
    })
  } finally {
    spy.mockRestore()
  }
}

describe('help', () => {
  it.each([100, 80])('has no line longer than %i columns, on any page', async (width) => {
    const all = await pages(width)
    expect(all.length).toBeGreaterThan(80)
    const long = all.flatMap(({ name, text }) =>
      text
        .split('\n')
        // A word cannot be broken.
        .filter((line) => line.length > width && line.trim().replace(/ \\$/, '').includes(' '))
        .map((line) => `${name}: ${line}`),
    )
    expect(long).toEqual([])
  })

  it('is as wide as the terminal, up to what can be read', () => {
    expect([undefined, 60, 190].map(helpWidth)).toEqual([100, 60, 100])
  })

  it('breaks an example so that a shell still reads the same command', () => {
    const lines = wrappedExample(`strongroom a "b c" 'd e f' --option value`, 24)
    expect(lines).toEqual(['strongroom a "b c" \\', "    'd e f' --option \\", '    value'])
    expect(wrappedExample('strongroom up', 24)).toEqual(['strongroom up'])
  })
})

describe('the suggestion for an unknown word', () => {
  const said = (word: string, ...others: string[]): string =>
    `error: unknown command '${word}'\n(Did you mean ${others.length === 1 ? others[0] : `one of ${others.join(', ')}`}?)\n`

  it.each([
    ['version', 'decision'],
    ['list', 'test'],
    ['go', 'up'],
  ])('is none if it is another word: %s is not %s', (word, other) => {
    expect(closeSuggestions(said(word, other))).toBe(`error: unknown command '${word}'\n`)
  })

  it.each([
    ['statsu', 'status'],
    ['comletion', 'completion'],
    ['vn', 'vm'],
    ['decisoin', 'decision'],
  ])('is kept if it is a typing error: %s for %s', (word, other) => {
    expect(closeSuggestions(said(word, other))).toBe(said(word, other))
  })

  it('is the close ones of several, also for options', () => {
    expect(closeSuggestions(said('restrt', 'restart', 'resize'))).toBe(said('restrt', 'restart'))
    expect(closeSuggestions("error: unknown option '--outpt'\n(Did you mean --output?)\n")).toContain('--output')
    expect(closeSuggestions("error: unknown option '--quiet'\n(Did you mean --query?)\n")).not.toContain('--query')
  })
})
