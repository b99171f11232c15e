import { describe, expect, it } from 'vitest'
import { groupSummary } from './core/group.ts'
import { allCommands, commandModules, commandsFor } from './modules.ts'

const words = ({ words: each }: { words: string[] }): string => each.join(' ')

describe('groups of commands', () => {
  it('have a summary each', async () => {
    for (const { words: each } of await allCommands())
      for (let length = 1; length < each.length; length++) expect(groupSummary(each.slice(0, length))).toMatch(/^[a-z]/)
    expect(() => groupSummary(['vm', 'list'])).toThrow('"vm list" has no summary')
  })
})

describe('modules of commands', () => {
  it('say which commands they have', async () => {
    for (const module of commandModules) expect((await module.load()).map(words)).toEqual(module.words)
  })

  it('have each command once, and none whose words begin as those of another command', async () => {
    const all = (await allCommands()).map(words)
    expect(new Set(all).size).toBe(all.length)
    for (const each of all) expect(all.filter((other) => other.startsWith(`${each} `))).toEqual([])
  })

  it.each([
    [['vm', 'list', '-g', 'rg'], 'vm list'],
    [['vm', 'trust', 'first', '--help'], 'vm trust'],
    [['cost', 'prices', 'set', 'vm', 'list'], 'cost prices set'],
  ])('are found by the command line %j', async (args, expected) => {
    const found = (await commandsFor(args)).map(words)
    expect(found).toContain(expected)
    expect(found.length).toBeLessThan(12)
  })

  it.each([[[]], [['vm']], [['help', 'vm', 'list']], [['--help']], [['vm', 'listing']], [['-x', 'vm', 'list']]])(
    'are all shown to the command line %j, which names no command',
    async (args) => {
      expect((await commandsFor(args)).map(words)).toEqual((await allCommands()).map(words))
    },
  )
})
