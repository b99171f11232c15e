import { describe, expect, it } from 'vitest'
import type { ArmClient } from '../client/arm.ts'
import { CliError } from '../core/cli-error.ts'
import { askGuest } from './ask-guest.ts'

const arm = (send: (path: string, body: { nonce: string }) => Promise<unknown>): ArmClient =>
  ({
    send: async (_method: string, path: string, _version: string, body: { nonce: string }) => ({
      json: await send(path, body),
    }),
  }) as unknown as ArmClient

describe('asking the running guest', () => {
  it('takes 32 random bytes of its own each time, and returns what came back', async () => {
    const sent: string[] = []
    const both = await Promise.all(
      [0, 1].map(
        async () =>
          await askGuest(
            arm(async (path, { nonce }) => (sent.push(nonce), path)),
            '/vm',
          ),
      ),
    )
    expect(new Set(sent).size).toBe(2)
    for (const asked of both) {
      expect(asked.nonce).toHaveLength(32)
      expect(sent).toContain(Buffer.from(asked.nonce).toString('base64url'))
      expect(asked).toMatchObject({ answer: '/vm/retrieveFreshQuote' })
    }
  })

  it('says why there is no answer, in the server’s words (attack H27)', async () => {
    const message = 'The guest did not answer within 2 s.'
    const silent = new CliError({ code: 'GuestDidNotAnswer', message, remedy: 'Try again.' })
    expect(
      await askGuest(
        arm(async () => await Promise.reject(silent)),
        '/vm',
      ),
    ).toMatchObject({
      unanswered: `GuestDidNotAnswer: ${message} Try again.`,
    })
    expect(
      await askGuest(
        arm(async () => await Promise.reject(new Error('broken'))),
        '/vm',
      ),
    ).toMatchObject({
      unanswered: 'broken',
    })
  })

  it('waits no longer than 5 s for whoever carries it', async () => {
    const began = performance.now()
    expect(
      await askGuest(
        arm(async () => await new Promise(() => {})),
        '/vm',
      ),
    ).toMatchObject({
      unanswered: 'Nothing came back from the guest within 5 s.',
    })
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})
