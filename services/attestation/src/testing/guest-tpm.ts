import { createDecipheriv, createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryBackedDirectory, run, startProgram, type OwnedProcess } from '@strongroom/platform'
import { digestOf, type LogRecord } from './guest-log.ts'

/** Debian's swtpm and tpm2-tools are required; without them, guest tests are reported as skipped. */
export const tpmIsThere: boolean = ['swtpm', 'tpm2_quote', 'tpm2_rsadecrypt'].every((name) =>
  existsSync(`/usr/bin/${name}`),
)

const ak = '0x81000003'
const fixed = 'fixedtpm|fixedparent|sensitivedataorigin'

export interface Statement {
  /** TPMS_ATTEST */
  message: Uint8Array
  /** Bare RSA signature, as the stock library sends it. */
  signature: Uint8Array
}

/** An encryption key as the stock library creates it: a primary of the null hierarchy, bound to registers. */
export interface EphemeralKey extends Statement {
  /** TPM2B_PUBLIC */
  publicArea: Uint8Array
  context: string
  pcrs: readonly number[]
}

/** A guest's TPM: real swtpm, driven by tpm2-tools as in a guest. */
export class GuestTpm {
  readonly #directory: string
  #process: OwnedProcess
  #files = 0

  private constructor(directory: string, process: OwnedProcess) {
    this.#directory = directory
    this.#process = process
  }

  static async make(o: { banks?: string } = {}): Promise<GuestTpm> {
    const directory = await memoryBackedDirectory('attestation-guest')
    const tpm = new GuestTpm(directory, await start(directory))
    const primary = tpm.#path()
    await tpm.tool('tpm2_createprimary', [
      '-Q',
      '-C',
      'e',
      '-G',
      'rsa2048:rsassa-sha256:null',
      '-c',
      primary,
      '-a',
      `${fixed}|userwithauth|noda|restricted|sign`,
    ])
    await tpm.tool('tpm2_evictcontrol', ['-Q', '-C', 'o', '-c', primary, ak])
    await tpm.tool('tpm2_pcrallocate', ['-Q', o.banks ?? 'sha1:all+sha256:all+sha384:none+sha512:none'])
    await tpm.restart()
    return tpm
  }

  /** Power off and on: registers are zero; the null hierarchy and all transient keys are gone. */
  async restart(): Promise<void> {
    await this.tool('tpm2_shutdown', ['-c'])
    await stop(this.#process)
    await rm(join(this.#directory, 'tpm'), { force: true })
    this.#process = await start(this.#directory)
  }

  async close(): Promise<void> {
    await stop(this.#process)
    await rm(this.#directory, { recursive: true, force: true })
  }

  async measure(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      const digest = Buffer.from(digestOf(record)).toString('hex')
      await this.tool('tpm2_pcrextend', [`${record.pcr}:sha256=${digest}`])
    }
  }

  async registers(pcrs: readonly number[], bank: 'sha1' | 'sha256' = 'sha256'): Promise<Map<number, Uint8Array>> {
    const bytes = await this.#output('tpm2_pcrread', [`${bank}:${pcrs.join(',')}`], '-o')
    const size = bank === 'sha1' ? 20 : 32
    return new Map(pcrs.map((pcr, index) => [pcr, bytes.subarray(index * size, (index + 1) * size)]))
  }

  /** TPM2B_PUBLIC of the attestation key. */
  async akPublic(): Promise<Uint8Array> {
    return this.#output('tpm2_readpublic', ['-Q', '-c', ak], '-o')
  }

  async akKey(): Promise<KeyObject> {
    return createPublicKey((await this.#output('tpm2_readpublic', ['-Q', '-c', ak, '-f', 'pem'], '-o')).toString())
  }

  async quote(pcrs: readonly number[], o: { nonce?: Uint8Array; bank?: 'sha1' | 'sha256' } = {}): Promise<Statement> {
    const [message, signature] = [this.#path(), this.#path()]
    const nonce = o.nonce === undefined ? [] : ['-q', Buffer.from(o.nonce).toString('hex')]
    await this.tool('tpm2_quote', [
      '-Q',
      '-c',
      ak,
      '-l',
      `${o.bank ?? 'sha256'}:${pcrs.join(',')}`,
      '-g',
      'sha256',
      '-m',
      message,
      '-s',
      signature,
      '-f',
      'plain',
      ...nonce,
    ])
    return { message: await readFile(message), signature: await readFile(signature) }
  }

  async ephemeralKey(
    pcrs: readonly number[],
    o: { attributes?: string; bound?: boolean; hierarchy?: string } = {},
  ): Promise<EphemeralKey> {
    const context = this.#path()
    const policy = this.#path()
    await this.#session(pcrs, [], policy)
    await this.tool('tpm2_createprimary', [
      '-Q',
      '-C',
      o.hierarchy ?? 'n',
      '-G',
      'rsa2048:rsaes:null',
      '-c',
      context,
      '-a',
      o.attributes ?? `${fixed}|noda|decrypt`,
      ...(o.bound === false ? [] : ['-L', policy]),
    ])
    await this.#flush()
    const publicArea = await this.#output('tpm2_readpublic', ['-Q', '-c', context], '-o')
    await this.#flush()
    const [message, signature] = [this.#path(), this.#path()]
    await this.tool('tpm2_certify', [
      '-Q',
      '-c',
      context,
      '-C',
      ak,
      '-g',
      'sha256',
      '-o',
      message,
      '-s',
      signature,
      '-f',
      'plain',
    ])
    await this.#flush()
    return { message: await readFile(message), signature: await readFile(signature), publicArea, context, pcrs }
  }

  /** Opens a sealed answer with the ephemeral key: only while the registers are unchanged. */
  async open(sealed: string, key: EphemeralKey): Promise<string> {
    const envelope = JSON.parse(Buffer.from(sealed, 'base64url').toString()) as {
      EncryptedInnerKey: string
      EncryptionParams: { Iv: string }
      AuthenticationData: string
      Jwt: string
    }
    const encrypted = this.#path()
    await writeFile(encrypted, Buffer.from(envelope.EncryptedInnerKey, 'base64'))
    const session = await this.#session(key.pcrs, ['--policy-session'])
    let inner: Buffer
    try {
      inner = await this.#output(
        'tpm2_rsadecrypt',
        ['-Q', '-c', key.context, '-p', `session:${session}`, '-s', 'rsaes', encrypted],
        '-o',
      )
    } finally {
      await this.tool('tpm2_flushcontext', [session])
      await this.#flush()
    }
    const cipher = createDecipheriv('aes-256-gcm', inner, Buffer.from(envelope.EncryptionParams.Iv, 'base64'))
    cipher.setAAD(Buffer.from('Transport Key')).setAuthTag(Buffer.from(envelope.AuthenticationData, 'base64'))
    return Buffer.concat([cipher.update(Buffer.from(envelope.Jwt, 'base64')), cipher.final()]).toString()
  }

  async tool(name: string, args: string[]): Promise<Buffer> {
    const env = { TPM2TOOLS_TCTI: `swtpm:path=${join(this.#directory, 'tpm')}`, TSS2_LOG: 'all+NONE' }
    return (await run({ command: name, args, env, timeoutMs: 20_000 })).stdout
  }

  /** A session in which the registers were checked; with `policy`, a trial session whose digest is written there. */
  async #session(pcrs: readonly number[], args: string[], policy?: string): Promise<string> {
    const session = this.#path()
    await this.tool('tpm2_startauthsession', ['-S', session, ...args])
    const digest = policy === undefined ? [] : ['-L', policy]
    await this.tool('tpm2_policypcr', ['-Q', '-S', session, '-l', `sha256:${pcrs.join(',')}`, ...digest])
    if (policy !== undefined) await this.tool('tpm2_flushcontext', [session])
    return session
  }

  /** tpm2-tools leave loaded objects behind, and this TPM has room for three. */
  async #flush(): Promise<void> {
    await this.tool('tpm2_flushcontext', ['-t'])
  }

  async #output(name: string, args: string[], option: string): Promise<Buffer> {
    const path = this.#path()
    await this.tool(name, [...args, option, path])
    return readFile(path)
  }

  #path(): string {
    return join(this.#directory, `file-${this.#files++}`)
  }
}

async function start(directory: string): Promise<OwnedProcess> {
  const socket = join(directory, 'tpm')
  const process = startProgram({
    command: 'swtpm',
    args: [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${directory},mode=0600`,
      '--flags',
      'startup-clear',
      '--ctrl',
      `type=unixio,path=${socket}.ctrl,mode=0600`,
      '--server',
      `type=unixio,path=${socket},mode=0600`,
    ],
    dieWithParent: true,
  })
  for (let attempt = 0; attempt < 500; attempt++) {
    if (
      await access(socket).then(
        () => true,
        () => false,
      )
    )
      return process
    await sleep(10)
  }
  process.kill('SIGKILL')
  throw new Error('swtpm did not start')
}

async function stop(process: OwnedProcess): Promise<void> {
  process.kill('SIGTERM')
  await process.exited
}
