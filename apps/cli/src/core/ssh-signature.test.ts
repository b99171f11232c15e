import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conditionOf, scriptConditions } from '@strongroom/contract'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signScript } from './ssh-signature.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'B-sign-'))
  await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')] })
})
afterAll(async () => await rm(directory, { recursive: true, force: true }))

const owned = '89e7fa0d-b62b-4961-9fc1-8871a5a7b675'
const sign = async (script: string, boot: string | null = 'a'.repeat(32), vmId = owned): Promise<string> =>
  await signScript({
    script,
    vmId,
    boot: boot ?? undefined,
    expires: new Date('2026-01-02T03:04:05Z'),
    limitSeconds: 120,
    keyPath: join(directory, 'key'),
  })
const conditions = (script: string): (string | undefined)[] => scriptConditions.map((name) => conditionOf(script, name))
const stated = [
  '89E7FA0D-B62B-4961-9FC1-8871A5A7B675',
  'a'.repeat(32),
  '2026-01-02T03:04:05.000Z',
  '120',
  expect.stringMatching(/^[0-9a-f]{32}$/),
]

describe('a signed script', () => {
  it.each(['id', '#!/bin/bash\nid\n', '# about it\nid\n'])(
    'states its conditions in the first comments of %j',
    async (script) => {
      const text = await sign(script)
      expect(conditions(text)).toEqual(stated)
      expect(text.startsWith('#!')).toBe(script.startsWith('#!'))
      expect(text.split('\n').at(-2)).toMatch(/^# strongroom-signature: /)
    },
  )

  it('states no boot where the VM shows none', async () => {
    expect(conditionOf(await sign('id', null), 'boot')).toBeUndefined()
  })

  it('has no line of the server’s, which names the VM and its boot', async () => {
    const refused = expect.objectContaining({ code: 'PeerAnswerInvalid' })
    await expect(sign('id', `${'a'.repeat(32)}\nreboot`)).rejects.toEqual(refused)
    await expect(sign('id', '')).rejects.toEqual(refused)
    await expect(sign('id', undefined, `${owned}\nreboot`)).rejects.toEqual(refused)
  })

  it('has each condition once when it is signed again', async () => {
    const text = await sign(await sign('#!/bin/bash\nid\n', 'b'.repeat(32)))
    expect(conditions(text)).toEqual(stated)
    expect(text.match(/# strongroom-/g)).toHaveLength(scriptConditions.length + 1)
    expect(text.split('\n').filter((line) => !line.startsWith('# strongroom-'))).toEqual(['#!/bin/bash', 'id', ''])
  })

  it('keeps what looks like a condition below its first comments, where none counts', async () => {
    const text = await sign('cat <<END\n# strongroom-boot: ffff\nEND\n')
    expect(text).toContain('\n# strongroom-boot: ffff\n')
    expect(conditionOf('cat <<END\n# strongroom-boot: ffff\nEND\n', 'boot')).toBeUndefined()
  })
})
