import { spawn } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canaryOf, foundIn, type Canary } from '../../testing/canaries.ts'
import { memoryOf } from '../../testing/process-memory.ts'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../../testing/softhsm.ts'
import { openWrapped } from '../../testing/unwrap.ts'
import { wrapInside } from './release.ts'
import { Token } from './token.ts'

/** Debian's p11-kit and p11-kit-modules: the token in a separate process, as behind a network HSM's module. */
const clientModule = ['x86_64', 'aarch64']
  .map((name) => `/usr/lib/${name}-linux-gnu/pkcs11/p11-kit-client.so`)
  .find(existsSync)
const program = resolve(import.meta.dirname, '../../testing/token-process.ts')

interface Child {
  pid: number
  ask(command: string): Promise<Record<string, unknown>>
  end(): Promise<void>
}

describe.skipIf(!hasSoftHsm || clientModule === undefined)('the memory of a process whose keys are in a token', () => {
  let hsm: SoftHsm
  let server: ReturnType<typeof startServer> | undefined
  const label = 'canary'
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const wrappingKey = publicKey.export({ format: 'jwk' }) as { n: string; e: string }
  const socket = (): string => join(hsm.directory, 'p11-kit')

  function startServer(): { stop: () => Promise<void> } {
    rmSync(socket(), { force: true })
    const args = ['server', '--foreground', '--provider', softhsmModule, '--name', socket(), `pkcs11:token=${label}`]
    // A separate process group: it has a process per connection, and they end together.
    const child = spawn('p11-kit', args, {
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, SOFTHSM2_CONF: hsm.configuration, XDG_RUNTIME_DIR: hsm.directory },
    })
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    return {
      stop: () => {
        process.kill(-child.pid!, 'SIGKILL')
        return ended
      },
    }
  }

  async function waitForServer(): Promise<void> {
    for (let wait = 0; !existsSync(socket()); wait++) {
      if (wait > 1200) throw new Error('p11-kit does not serve the token')
      await sleep(50)
    }
  }

  async function startChild(module: string): Promise<Child> {
    const options = {
      module,
      label,
      pinFile: join(hsm.directory, 'pin'),
      wrappingKey,
      snapshot: join(hsm.directory, 'heap.heapsnapshot'),
    }
    const child = spawn(
      process.execPath,
      ['--conditions=x-source', '--disable-warning=ExperimentalWarning', program, JSON.stringify(options)],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, P11_KIT_SERVER_ADDRESS: `unix:path=${socket()}` },
      },
    )
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<Record<string, unknown>> => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the process ended')
      return JSON.parse(value) as Record<string, unknown>
    }
    await next()
    return {
      pid: child.pid!,
      ask: (command) => {
        child.stdin.write(`${command}\n`)
        return next()
      },
      end: () => {
        child.stdin.end()
        return ended
      },
    }
  }

  beforeAll(async () => {
    hsm = createSoftHsm()
    hsm.addToken(label)
    writeFileSync(join(hsm.directory, 'pin'), hsm.pin, { mode: 0o600 })
    server = startServer()
    await waitForServer()
  })
  afterAll(async () => {
    await server?.stop()
    hsm.remove()
  })

  /** Every non-public part of a private key, which must not be found. */
  const canariesOf = (pkcs8: Buffer): Canary[] => {
    const jwk = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
    return (['d', 'p', 'q', 'dp', 'qi'] as const).map((part) =>
      canaryOf(part, Buffer.from(jwk[part]!, 'base64url').subarray(8, 40)),
    )
  }
  /** Public values are found, which shows that the search would find private ones. */
  const publicOf = (n: string): Canary[] => [canaryOf('n', Buffer.from(n.slice(0, 60)))]

  it('holds no part of a private key that was made and used, in all of its memory', { timeout: 180_000 }, async () => {
    const child = await startChild(clientModule!)
    try {
      const { n, id } = (await child.ask('make')) as { n: string; id: string }
      for (let round = 0; round < 5; round++) expect(await child.ask('sign')).toEqual({ signed: 256 })
      // Read from the token behind the process's back: the key is exportable, and we have the PIN.
      const token = await Token.open({ module: softhsmModule, label, pin: () => Promise.resolve(hsm.pin) })
      const wrapped = await token.withSession((session) => {
        const key = token.find(session, session.binding.CKO_PRIVATE_KEY, Buffer.from(id, 'hex'))!
        return wrapInside(session, { key, wrappingKey, algorithm: 'CKM_RSA_AES_KEY_WRAP', keyWrapPad: 0x210a })
      })
      const secret = openWrapped(wrapped, privateKey, 'CKM_RSA_AES_KEY_WRAP')
      const canaries = [...publicOf(n), ...canariesOf(secret)]
      const found = (): string[] => {
        const names = new Set<string>()
        for (const piece of memoryOf(child.pid, 256)) for (const name of foundIn(piece, canaries)) names.add(name)
        return [...names].toSorted()
      }
      expect(found()).toEqual(['n'])
      await child.ask(`hold ${secret.toString('base64')}`)
      expect(found()).toEqual(['d', 'dp', 'n', 'p', 'q', 'qi'])
    } finally {
      await child.end()
    }
  })

  it('holds no part of a released key, and no PIN, in a snapshot of its heap', async () => {
    // The module itself is in this process, so only the heap is ours.
    const child = await startChild(softhsmModule)
    try {
      const { n } = (await child.ask('make')) as { n: string }
      expect(await child.ask('sign')).toEqual({ signed: 256 })
      const { wrapped } = (await child.ask('release')) as { wrapped: string }
      const { file } = (await child.ask('snapshot')) as { file: string }
      const secret = openWrapped(Buffer.from(wrapped, 'base64'), privateKey, 'CKM_RSA_AES_KEY_WRAP')
      const heap = readFileSync(file)
      expect(foundIn(heap, publicOf(n))).toEqual(['n'])
      expect(foundIn(heap, [...canariesOf(secret), canaryOf('PIN', Buffer.from(hsm.pin))])).toEqual([])
    } finally {
      await child.end()
    }
  })

  it('goes on when a token that was lost is back, and says that it is lost until then', async () => {
    const child = await startChild(clientModule!)
    try {
      await child.ask('make')
      await server!.stop()
      for (let round = 0; round < 3; round++) expect(await child.ask('sign')).toEqual({ error: 'TokenUnavailable' })
      server = startServer()
      await waitForServer()
      expect(await child.ask('sign')).toEqual({ signed: 256 })
    } finally {
      await child.end()
    }
  })
})
