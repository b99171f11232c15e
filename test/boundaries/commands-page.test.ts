import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { allCommands } from '../../apps/cli/src/modules.ts'
import { commandsPage, commandsPagePath } from '../../scripts/commands-page.ts'

describe('the reference of commands', () => {
  it('is the page that readers find', async () => {
    expect(readFileSync(commandsPagePath, 'utf8'), 'run npm run docs:commands').toBe(await commandsPage())
  })

  it('has each command once, and each of its options', async () => {
    const page = await commandsPage()
    const sections = new Map(
      page
        .split('\n## ')
        .slice(1)
        .map((text) => [text.split('\n')[0], text]),
    )
    const commands = await allCommands()
    expect(new Set(sections.keys())).toEqual(new Set(commands.map(({ words }) => words.join(' '))))
    expect(sections.size).toBe(commands.length)
    for (const { words, options = [] } of commands)
      for (const { flags } of options)
        expect(sections.get(words.join(' ')), words.join(' ')).toContain(`| \`${flags.replaceAll('|', '\\|')}\` |`)
  })
})
