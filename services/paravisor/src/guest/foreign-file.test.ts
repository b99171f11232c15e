import { execFileSync } from 'node:child_process'
import { link, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, candidateUser } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WriteBack } from './write-back.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'

const root = process.geteuid?.() === 0
const vmId = '5A1E0000-0000-4000-8000-00000000F07E'
/** As root, a VM's user, so that the server's files are foreign. */
const user = root ? candidateUser(vmId) : undefined

let folder: string
let secret: string
let tpm: TpmDirectory
/** The vTPM state that was saved. */
let saved: string[]
let writeBack: WriteBack

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foreign-file-'))
  secret = join(folder, 'vault.db')
  await writeFile(secret, 'the vault')
  tpm = await TpmDirectory.make({ path: join(folder, 'tpm'), user, state: Buffer.from('state') })
  await writeFile(join(folder, 'variables.fd'), 'variables')
  saved = []
  writeBack = new WriteBack({
    state: {
      save: async ({ tpm: bytes }) => void (bytes && saved.push(bytes.toString())),
      close: async () => {},
    },
    tpmState: tpm,
    variables: join(folder, 'variables.fd'),
    readVariables: async () => await Promise.resolve(undefined),
    logger: createLogger({ level: 'silent' }),
  })
})

afterEach(async () => await rm(folder, { recursive: true, force: true }))

/** What a compromised swtpm leaves in place of its state, while the server moves it into the guest state. */
describe('the state that a vTPM leaves', () => {
  it('is kept where it is a file of swtpm’s', async () => {
    await writeBack.stop()
    expect(saved).toEqual(['state'])
  })

  const planted: [string, () => Promise<void>][] = [
    ['a link to a file of the server’s', async () => await symlink(secret, tpm.statePath)],
    ['a link to a file of its own', async () => await symlink(join(tpm.path, 'other'), tpm.statePath)],
    ['another name of a file', async () => await link(join(folder, 'tpm', 'other'), tpm.statePath)],
    ['a pipe that nobody writes to', async () => void execFileSync('mkfifo', [tpm.statePath])],
    ['a device', async () => void execFileSync('ln', ['-s', '/dev/zero', tpm.statePath])],
    [
      'a file without end',
      async () => {
        await writeFile(tpm.statePath, '')
        await truncate(tpm.statePath, 2 ** 40)
      },
    ],
    ['a directory', async () => void execFileSync('mkdir', [tpm.statePath])],
  ]
  it.each(planted)('is not read where it is %s (attack H11)', async (_, plant) => {
    await writeFile(join(folder, 'tpm', 'other'), 'state')
    await rm(tpm.statePath)
    await plant()
    if (user !== undefined) execFileSync('chown', ['-hR', `${user}:${user}`, tpm.path])
    await expect(writeBack.stop()).rejects.toMatchObject({ code: 'ForeignFileRefused' })
    expect(saved).toEqual([])
  })

  it('is not read where it is a socket (attack H11)', async () => {
    await rm(tpm.statePath)
    const server = createServer()
    await new Promise<void>((done) => server.listen(tpm.statePath, done))
    await expect(writeBack.stop()).rejects.toMatchObject({ code: 'ForeignFileRefused' })
    server.close()
  })

  it.skipIf(!root)(
    'is not read where it is another user’s: its directory may be a link to any (attack H11)',
    async () => {
      await rm(tpm.path, { recursive: true })
      const other = await TpmDirectory.make({ path: join(folder, 'other'), user: user! + 1, state: Buffer.from('its') })
      await symlink(other.path, tpm.path)
      await expect(writeBack.stop()).rejects.toMatchObject({ code: 'ForeignFileRefused' })
      expect(saved).toEqual([])
    },
  )
})
