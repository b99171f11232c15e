import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createProgress } from '../up/progress.ts'
import { describeError } from './cli-error.ts'
import { outputFormats, render, type Result } from './output.ts'
import { print, printContent, say } from './terminal.ts'
import { watch } from './watch.ts'

const characters = {
  'an escape sequence': '\u001b[2K\u001b[1A',
  'a carriage return': '\r',
  'a backspace': '\b',
  'a line end': '\n',
  'a delete': '\u007f',
  'a C1 sequence': '\u009b2K',
  'a next line': '\u0085',
  'a direction override': '\u202e',
  'a direction mark': '\u200f',
  'an isolate': '\u2066',
  'an Arabic mark': '\u061c',
}

/** What is written to standard output and standard error meanwhile. */
async function written(work: () => unknown): Promise<string> {
  const texts: string[] = []
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => texts.push(String(text)) > 0),
  )
  try {
    await work()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return texts.join('')
}

const results: Record<string, (text: string) => Result> = {
  'a table': (text) => ({ data: { [text]: [text] }, table: { columns: [text], rows: [[text, 'b']] } }),
  lines: (text) => ({ data: [text], lines: ['ours', `name: ${text}`] }),
  data: (text) => ({ data: { name: text } }),
}
type Outlet = (text: string) => Promise<string>
const outlets: Record<string, Outlet> = {
  progress: async (text) =>
    await written(() => {
      const progress = createProgress(say, process.stderr)
      progress.step(text)(text)
    }),
  notices: async (text) => await written(() => say(text)),
  errors: async (text) => {
    const innererror = { expected: text, found: text, remedy: text }
    const error = { code: 'NotFound', message: text, target: text, innererror } as const
    return await written(() => describeError({ ...error, details: [error] }).forEach(say))
  },
  watching: async (text) =>
    await written(async () => {
      let isSeen = false
      const look = async (): Promise<Result> => {
        if (isSeen) throw new Error('seen')
        isSeen = true
        return await Promise.resolve({ data: text })
      }
      await watch({ look, seconds: 0, format: 'json', terminal: false, write: print }).catch(() => {})
    }),
  'content on a terminal': async (text) => {
    const { isTTY } = process.stdout
    onTestFinished(() => void (process.stdout.isTTY = isTTY))
    process.stdout.isTTY = true
    return await written(() => printContent(text))
  },
}
for (const format of outputFormats.filter((each) => each !== 'none'))
  for (const [what, result] of Object.entries(results))
    outlets[`${what} as ${format}`] = async (text) => await written(() => print(`${render(result(text), format)}\n`))

/** What a line that we clear begins with, before its text. */
const ours = '\r\u001b[2K'

describe('what the command line writes', () => {
  it.each(Object.keys(outlets))(
    'shows control characters and direction marks of others: %s (attack E22)',
    async (name) => {
      const outlet = outlets[name]!
      const plain = (await outlet('x')).split('\n').length
      for (const [what, character] of Object.entries(characters)) {
        const text = (await outlet(`a${character}b`)).replaceAll(ours, '')
        expect(text, what).not.toMatch(/(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u)
        // A line end in a text makes no line that looks like ours: errors mark it, content has its own lines.
        const hasOwnLines = name === 'content on a terminal' || name === 'errors'
        if (!hasOwnLines) expect(text.split('\n'), what).toHaveLength(plain)
        if (character === '\n' && name === 'errors') expect(text.match(/^ *\| b/gm)).toHaveLength(10)
      }
    },
  )

  it('is the exact content in a pipe, for a command whose purpose is that content', async () => {
    const { isTTY } = process.stdout
    onTestFinished(() => void (process.stdout.isTTY = isTTY))
    process.stdout.isTTY = false
    expect(await written(() => printContent('a\u001b\r\u202e'))).toBe('a\u001b\r\u202e')
  })
})
