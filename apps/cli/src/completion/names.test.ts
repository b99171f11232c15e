import { describe, expect, it } from 'vitest'
import type { Connection } from '../core/connection.ts'
import type { CommandContext } from '../core/command.ts'
import { existingNames } from './names.ts'

/** A context whose server answers every request so. */
const answering = (request: () => Promise<unknown>): CommandContext => {
  const server = { subscriptionId: '00000000-0000-0000-0000-000000000000' }
  const connection = { server, https: { request }, ownerToken: () => Promise.resolve('') } as unknown as Connection
  return { connect: () => Promise.resolve(connection) } as unknown as CommandContext
}
const listing = (names: string[]): CommandContext =>
  answering(() => Promise.resolve({ status: 200, json: { value: names.map((name) => ({ name })) } }))

describe('names for completion', () => {
  it('are those of the list, each once', async () => {
    expect(await existingNames(listing(['b', 'a', 'b']), 'vm')).toEqual(['b', 'a'])
  })

  it.each(['$(touch x)', '`x`', 'a b', '--yes', 'a\nb', 'a;b', '', '\u001b[2K'])(
    'are none that means more to a shell: %j',
    async (name) => {
      expect(await existingNames(listing([name, 'good']), 'vm')).toEqual(['good'])
    },
  )

  it('are none while the server refuses or does not answer', async () => {
    expect(
      await existingNames(
        answering(() => Promise.reject(new Error('down'))),
        'vm',
      ),
    ).toEqual([])
    const begun = performance.now()
    expect(
      await existingNames(
        answering(() => new Promise(() => {})),
        'vm',
      ),
    ).toEqual([])
    expect(performance.now() - begun).toBeLessThan(10_000)
  })
})
