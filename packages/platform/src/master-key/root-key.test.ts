import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSealer } from '../sealing/sealer.ts'
import { masterKeyHolder, openRootKey, rotateMasterKey, type NewHolder } from './root-key.ts'

const installationId = randomUUID()
let root: string
let stateDir: string
const open = (): Promise<Uint8Array> => openRootKey({ stateDir, installationId })
const rotate = (to: NewHolder, oldPassphraseFile?: string): Promise<void> =>
  rotateMasterKey({ stateDir, installationId, to, ...(oldPassphraseFile !== undefined && { oldPassphraseFile }) })
const secretFile = (name: string, content: string | Uint8Array): string => {
  const path = join(root, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'strongroom-root-'))
  stateDir = join(root, 'state')
  mkdirSync(stateDir)
  for (const name of ['CREDENTIALS_DIRECTORY', 'STRONGROOM_MASTER_KEY_FILE', 'STRONGROOM_PASSPHRASE_FILE'])
    vi.stubEnv(name, '')
  vi.stubEnv('XDG_CONFIG_HOME', join(root, 'config'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true })
})

describe('the root key', () => {
  it('is made once, and lies wrapped in the state directory', async () => {
    const [first, second] = await Promise.all([open(), open()])
    expect(first).toHaveLength(32)
    expect(second).toEqual(first)
    expect(await open()).toEqual(first)
    const file = readFileSync(join(stateDir, 'root-key.json'))
    expect(statSync(join(stateDir, 'root-key.json')).mode & 0o777).toBe(0o600)
    expect(file.includes(Buffer.from(first))).toBe(false)
    expect(file.toString()).not.toContain(Buffer.from(first).toString('base64'))
  })

  it('is the master key itself where an older installation has sealed under that', async () => {
    const key = Buffer.alloc(32, 9)
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', secretFile('key', key))
    writeFileSync(join(stateDir, 'ca.key.sealed'), '')
    expect(Buffer.from(await open())).toEqual(key)
    expect(Buffer.from(await open())).toEqual(key)
  })

  it('does not open under another master key, and is not recreated', async () => {
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', secretFile('key', Buffer.alloc(32, 1)))
    await open()
    const before = readFileSync(join(stateDir, 'root-key.json'))
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', secretFile('other', Buffer.alloc(32, 2)))
    await expect(open()).rejects.toMatchObject({ code: 'MasterKeyWrong' })
    expect(readFileSync(join(stateDir, 'root-key.json'))).toEqual(before)
  })

  it('of another installation does not open', async () => {
    await open()
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', join(root, 'config/strongroom/keys', installationId))
    await expect(openRootKey({ stateDir, installationId: randomUUID() })).rejects.toMatchObject({
      code: 'MasterKeyWrong',
    })
  })

  it('that was written half is refused, at every length, and not recreated', async () => {
    await open()
    const path = join(stateDir, 'root-key.json')
    const whole = readFileSync(path)
    for (const length of [0, 1, 40, whole.length - 30, whole.length - 3]) {
      writeFileSync(path, whole)
      truncateSync(path, length)
      await expect(open()).rejects.toMatchObject({ code: 'RootKeyUnreadable' })
      expect(statSync(path).size).toBe(length)
    }
    writeFileSync(path, '{"v":1}')
    await expect(open()).rejects.toMatchObject({ code: 'RootKeyUnreadable' })
  })

  it('is not looked for under a fresh master key when that is lost', async () => {
    await open()
    rmSync(join(root, 'config'), { recursive: true })
    await expect(open()).rejects.toMatchObject({ code: 'MasterKeyMissing' })
    expect(existsSync(join(root, 'config/strongroom/keys', installationId))).toBe(false)
  })
})

describe('rotation of the master key', () => {
  it('leaves the root key as it is, so that what runs goes on, and lets the old master key open nothing', async () => {
    const before = await open()
    const keys = join(root, 'config/strongroom/keys')
    const old = readFileSync(join(keys, installationId))
    const sealed = await createSealer(before).seal(Buffer.from('a key'), 'c')
    await rotate({ kind: 'file' })
    expect(await open()).toEqual(before)
    expect(Buffer.from(await createSealer(await open()).open(sealed, 'c')).toString()).toBe('a key')
    expect(readdirSync(keys)).toHaveLength(1)
    expect(readdirSync(keys)).not.toContain(installationId)
    expect(await masterKeyHolder({ stateDir, installationId })).toMatchObject({ kind: 'file' })
    // The previous start's variable does not block the new key; without the new variable, the old key opens nothing.
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', secretFile('old', old))
    expect(await open()).toEqual(before)
    const [made] = readdirSync(keys) as [string]
    const moved = secretFile('moved', readFileSync(join(keys, made)))
    rmSync(join(keys, made))
    await expect(open()).rejects.toMatchObject({ code: 'MasterKeyWrong' })
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', moved)
    expect(await open()).toEqual(before)
  })

  it('takes a passphrase, which has to be the right one from then on', async () => {
    const before = await open()
    const path = secretFile('passphrase', 'six random words are good enough\n')
    await rotate({ kind: 'passphrase', path })
    await expect(open()).rejects.toMatchObject({ code: 'PassphraseMissing' })
    vi.stubEnv('STRONGROOM_PASSPHRASE_FILE', secretFile('wrong', 'six random words are bad enough\n'))
    await expect(open()).rejects.toMatchObject({ code: 'MasterKeyWrong' })
    vi.stubEnv('STRONGROOM_PASSPHRASE_FILE', path)
    expect(await open()).toEqual(before)
    const next = secretFile('next', 'seven other random words this time')
    await rotate({ kind: 'passphrase', path: next }, path)
    await expect(open()).rejects.toMatchObject({ code: 'MasterKeyWrong' })
    vi.stubEnv('STRONGROOM_PASSPHRASE_FILE', next)
    expect(await open()).toEqual(before)
  })

  it("takes the passphrase from systemd's credential", async () => {
    const before = await open()
    const credentials = join(root, 'credentials')
    mkdirSync(credentials)
    writeFileSync(join(credentials, 'strongroom-passphrase'), 'a passphrase of systemd', { mode: 0o440 })
    vi.stubEnv('CREDENTIALS_DIRECTORY', credentials)
    await rotate({ kind: 'passphrase' })
    expect(await open()).toEqual(before)
  })

  it('changes nothing where the new master key is unavailable', async () => {
    const before = await open()
    const file = readFileSync(join(stateDir, 'root-key.json'))
    const short = rotate({ kind: 'passphrase', path: secretFile('short', 'short') })
    await expect(short).rejects.toMatchObject({ code: 'PassphraseTooShort' })
    await expect(rotate({ kind: 'passphrase', path: join(root, 'none') })).rejects.toMatchObject({
      code: 'PassphraseMissing',
    })
    await expect(rotate({ kind: 'file', path: join(stateDir, 'key') })).rejects.toMatchObject({
      code: 'MasterKeyInState',
    })
    writeFileSync(join(root, 'open'), 'a passphrase for everyone', { mode: 0o644 })
    await expect(rotate({ kind: 'passphrase', path: join(root, 'open') })).rejects.toMatchObject({
      code: 'SecretFileExposed',
    })
    vi.stubEnv('TPM2TOOLS_TCTI', `swtpm:path=${root}/no-socket`)
    await expect(rotate({ kind: 'tpm' })).rejects.toMatchObject({ code: 'TpmUnusable' })
    expect(readFileSync(join(stateDir, 'root-key.json'))).toEqual(file)
    expect(await open()).toEqual(before)
  })
})

/** Needs Debian's swtpm and tpm2-tools, as Strongroom itself does. */
describe.skipIf(!existsSync('/usr/bin/swtpm') || !existsSync('/usr/bin/tpm2_create'))('a master key in a TPM', () => {
  let tpm: { kill: () => void; once: (event: 'exit', ended: () => void) => void } | undefined
  const startTpm = async (name: string): Promise<void> => {
    const directory = join(root, name)
    mkdirSync(directory, { recursive: true })
    const socket = join(directory, 'socket')
    rmSync(socket, { force: true })
    tpm = spawn('swtpm', [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${directory}`,
      '--ctrl',
      `type=unixio,path=${socket}.ctrl`,
      '--server',
      `type=unixio,path=${socket}`,
      '--flags',
      'not-need-init,startup-clear',
    ])
    await expect.poll(() => existsSync(socket)).toBe(true)
    vi.stubEnv('TPM2TOOLS_TCTI', `swtpm:path=${socket}`)
  }
  const stopTpm = async (): Promise<void> => {
    if (!tpm) return
    const stopping = tpm
    const ended = new Promise<void>((resolve) => stopping.once('exit', resolve))
    stopping.kill()
    await ended
    tpm = undefined
  }
  afterEach(stopTpm)

  it('opens with the TPM that sealed it, over its restarts, and with no other', async () => {
    const before = await open()
    await startTpm('mine')
    await rotate({ kind: 'tpm' })
    expect(await masterKeyHolder({ stateDir, installationId })).toMatchObject({ kind: 'tpm' })
    await stopTpm()
    await startTpm('mine')
    expect(await open()).toEqual(before)
    await stopTpm()
    await startTpm('another')
    await expect(open()).rejects.toMatchObject({ code: 'TpmUnusable' })
    await stopTpm()
    await expect(open()).rejects.toMatchObject({ code: 'TpmUnusable' })
  })
})
