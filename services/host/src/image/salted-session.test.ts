import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { admitBoots, type DiskKey } from '@strongroom/paravisor/testing'
import { manufactureTpm, startSwtpm, stopSwtpm, TpmDirectory, tpmTool, writeDiskKey } from '@strongroom/paravisor/tpm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  carry,
  endorsementKeyOf,
  initrdFunctions,
  readDiskKey,
  runShell,
  withSession,
  type Carrier,
} from '../testing/initrd-shell.ts'

const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const line = `2 ${key.luksUuid} ${Buffer.from(key.volumeKey).toString('hex')} ${key.keyDigest}`
const inAscii = (text: string): string => Buffer.from(text).toString('hex')
const [ones, zeros] = [Buffer.alloc(32, 1), Buffer.alloc(32)]
const extended = createHash('sha256').update(zeros).update(ones).digest()
const separator = createHash('sha256').update(Buffer.alloc(4)).digest('hex')

let work: string
let directory: TpmDirectory
let endorsement: Uint8Array

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'strongroom-session-test-'))
  directory = await TpmDirectory.make({ path: join(work, 'tpm'), user: undefined })
  await manufactureTpm({ directory })
  await writeDiskKey({ directory, key, image: { 4: extended, 7: extended, 11: extended } })
  await admitBoots({ directory, firmware: extended, machine: extended })
  endorsement = await endorsementKeyOf(directory)
})
afterAll(async () => await rm(work, { recursive: true, force: true }))

interface Booted {
  code: number | null
  said: string
  seen: string
}

/** Runs a script of the initrd's in a boot that was measured as predicted, over somebody who carries what crosses. */
async function boot(script: string, change?: Parameters<typeof carry>[1]): Promise<Booted> {
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  let carrier: Carrier | undefined
  try {
    for (const register of [2, 3, 6]) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${separator}`])
    for (const register of [0, 1, 4, 7, 11])
      await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${ones.toString('hex')}`])
    carrier = await carry(tpm.socket, change)
    return { ...(await runShell(carrier.socket, script)), seen: carrier.seen() }
  } finally {
    await carrier?.close()
    await stopSwtpm(tpm)
  }
}

const opened = async (rest: string): Promise<string> =>
  `${await withSession({ key: endorsement })}open_session || exit 7\n${rest}`
const [nvRead, getRandom] = ['0000014e', '0000017b'] as const
const isFor = (command: string, code: string): boolean => command.slice(12, 20) === code
const flipped = (hex: string, at: number): string => {
  const bytes = Buffer.from(hex, 'hex')
  const place = at < 0 ? bytes.length + at : at
  bytes[place] = bytes[place]! ^ 1
  return bytes.toString('hex')
}

describe('the session of the initrd with its vTPM', () => {
  it('shows nothing of the disk’s key to whoever carries its commands (attack H43)', async () => {
    const { code, said, seen } = await boot(await opened(readDiskKey))
    expect([code, said]).toEqual([0, line])
    // Sixteen characters of the key, and of what stands beside it: every piece that a mask did not cover.
    for (let at = 0; at + 16 <= line.length; at += 8) expect(seen).not.toContain(inAscii(line.slice(at, at + 16)))
    const plain = await boot(`${initrdFunctions}
      answer=$(tpm 80010000002b00000176400000074000000700100000000000000000000000000000000000000100\
10000b)
      session=$(printf %s "$answer" | cut -c 21-28)
      tpm "80010000001a0000017f\${session}000000000001000b03df3800" >/dev/null
      read_index $key_index "\${session}0000000000" 00e8 >/dev/null`)
    expect(plain.seen).toContain(inAscii(line))
  })

  it('shows nothing of the random bytes that are mixed into the kernel’s pool (attack H43)', async () => {
    const pool = join(work, 'pool')
    await writeFile(join(work, 'cpuinfo'), 'flags\t\t: fpu rdrand smep\n')
    const script = (await opened('mix_random\n')).replace('/proc/cpuinfo', join(work, 'cpuinfo'))
    const { said, seen } = await boot(script.replace('>/dev/urandom', `>${pool}`))
    const mixed = (await readFile(pool)).toString('hex')
    expect([said, mixed.length]).toEqual(['', 64])
    expect(seen).not.toContain(mixed.slice(0, 16))
  })

  // Header, size of the parameter, the key's first and last byte, nonce, attributes, authentication code.
  it.each([6, 15, 16, 60, 200, -51, -40, -35, -32, -1])(
    'gives no key where whoever carries its commands changes byte %i of the answer (attack H43)',
    async (at) => {
      const { code, said } = await boot(await opened(readDiskKey), (answer, command) =>
        isFor(command, nvRead) && answer.length > 200 ? flipped(answer, at) : answer,
      )
      expect([code, said]).toEqual([1, ''])
    },
  )

  it.each([12, 20, -20, -1])('takes no random bytes whose answer was changed at byte %i (attack H43)', async (at) => {
    await writeFile(join(work, 'cpuinfo'), 'flags\t\t: fpu rdrand smep\n')
    const script = (await opened('mix_random\n')).replace('/proc/cpuinfo', join(work, 'cpuinfo'))
    const { said } = await boot(script, (answer, command) => (isFor(command, getRandom) ? flipped(answer, at) : answer))
    expect(said).toBe('the TPM gives no random numbers\n')
  })

  it('takes no answer that was given before (attack H43)', async () => {
    let first: string | undefined
    const twice = await opened(`${readDiskKey}echo\n${readDiskKey}`)
    const { code, said } = await boot(twice, (answer, command) => {
      if (!isFor(command, nvRead) || answer.length < 200) return answer
      first ??= answer
      return first
    })
    expect([code, said]).toEqual([1, `${line}\n`])
  })

  it('is not opened with a TPM that has not the key among the UEFI variables (attack H43)', async () => {
    const own = await TpmDirectory.make({ path: join(work, 'other'), user: undefined })
    await manufactureTpm({ directory: own })
    const tpm = await startSwtpm({ directory: own, name: 'guest', startup: 'clear' })
    try {
      const { code, said } = await runShell(tpm.socket, await opened('echo opened\n'))
      expect([code, said]).toEqual([7, ''])
    } finally {
      await stopSwtpm(tpm)
    }
  })

  it('has to be there before the disk’s key is read (attack H43)', async () => {
    const { said } = await boot(`${initrdFunctions}open_encrypted 00\n`)
    expect(said).toBe("OS disk did not unlock: the key of this VM's TPM is not among the UEFI variables\n")
  })
})
