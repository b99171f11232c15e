import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { halfLength, readSerialLog, SerialLog } from './serial-log.ts'

const logger = createLogger({ level: 'silent' })
let directory: string
let path: string
let log: SerialLog | undefined
let boots = 0

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'serial-log-'))
  path = join(directory, 'serial.log')
})
afterEach(async () => {
  await log?.close()
  await rm(directory, { recursive: true, force: true })
})

/** @returns the FIFO for a guest's console */
async function boot(at = path): Promise<string> {
  const fifo = join(directory, `console-${boots++}`)
  log = await SerialLog.start({ fifo, path: at, logger })
  return fifo
}

/** A separate process, like QEMU, that writes this to the FIFO and ends. */
async function writes(fifo: string, command: string): Promise<void> {
  const child = spawn('sh', ['-c', `${command} > '${fifo}'`], { stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number]
  expect(code).toBe(0)
}

const sizes = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(directory))
        .filter((name) => name.startsWith('serial'))
        .map(async (name) => [name, (await stat(join(directory, name))).size] as const),
    ),
  )

describe('the serial log of a guest', () => {
  it('has what the guest said, to the last byte before its end', async () => {
    const fifo = await boot()
    await writes(fifo, 'printf "BdsDxe: loading\\r\\n\\033[2Jlogin: "')
    expect(await log!.lastLines()).toEqual(['BdsDxe: loading', 'login:'])
    expect(log!.head()).toBe('BdsDxe: loading\r\n\u001b[2Jlogin: ')
    await writes(fifo, 'printf last')
    await log!.close()
    expect((await readSerialLog(path)).toString('latin1')).toBe('BdsDxe: loading\r\n\u001b[2Jlogin: last')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('is bounded, however much a guest writes: the newest is kept, in order, and the first for the watch (attack H11)', async () => {
    const fifo = await boot()
    const lines = 900_000
    await writes(fifo, `seq -f '%011.0f' ${lines}`)
    await log!.close()
    const found = await sizes()
    expect(Object.keys(found).toSorted()).toEqual(['serial.log', 'serial.log.older'])
    for (const size of Object.values(found)) expect(size).toBeLessThanOrEqual(halfLength)
    const numbers = (await readSerialLog(path)).toString('latin1').split('\n').slice(1, -1).map(Number)
    expect(numbers.length).toBeGreaterThan(halfLength / 12)
    expect(numbers.at(-1)).toBe(lines)
    expect(numbers.every((number, at) => at === 0 || number === numbers[at - 1]! + 1)).toBe(true)
    expect(log!.head().startsWith('00000000001\n00000000002\n')).toBe(true)
    expect(log!.head()).toHaveLength(16 * 1024)
    expect((await log!.lastLines()).at(-1)).toBe(String(lines).padStart(11, '0'))
  })

  it('of the boot before stays beside that of this one, and the one before that goes', async () => {
    for (const word of ['one', 'two', 'three']) {
      await writes(await boot(), `printf ${word}`)
      await log!.close()
    }
    expect(await sizes()).toEqual({ 'serial.log': 5, 'serial.log.previous': 3 })
    expect(await readFile(`${path}.previous`, 'latin1')).toBe('two')
  })

  it('is empty where nothing was ever said', async () => {
    expect(await readSerialLog(path)).toHaveLength(0)
  })
})

/** A small tmpfs needs CAP_SYS_ADMIN, which a plain container lacks. */
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0

describe.skipIf(!mayMount)('on a full disk', () => {
  it('loses lines and does not hold the guest up', async () => {
    const small = join(directory, 'small')
    await mkdir(small)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', small]).status).toBe(0)
    try {
      const at = join(small, 'serial.log')
      const fifo = await boot(at)
      await writes(fifo, 'seq 200000')
      await vi.waitFor(async () => expect((await stat(at)).size).toBeGreaterThan(0))
      await log!.close()
      expect((await readSerialLog(at)).toString('latin1').startsWith('1\n2\n3\n')).toBe(true)
    } finally {
      await log!.close()
      spawnSync('umount', [small])
    }
  })
})
