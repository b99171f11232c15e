import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TestInstallation } from '../../system/support/installation.ts'
import type { Row } from './compatibility.ts'

const root = resolve(import.meta.dirname, '../../..')

export const azIsInstalled: boolean = existsSync('/usr/bin/az')

export interface Outcome {
  code: number
  stdout: string
  stderr: string
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  body: any
}

/** The stock Azure CLI, as Debian ships it, in a shell that `strongroom env` has set up. */
export class AzShell {
  readonly installation: TestInstallation
  readonly rows: Row[] = []
  readonly #environment: Record<string, string>

  private constructor(installation: TestInstallation, environment: Record<string, string>) {
    this.installation = installation
    this.#environment = environment
  }

  /** Starts an installation without guests; the shell has the settings of `strongroom env`, with the given options. */
  static async open(...options: string[]): Promise<AzShell> {
    const installation = await TestInstallation.create()
    await installation.start({}, ['--compute', 'simulated'])
    const settings = await installation.must<Record<string, string>>('env', ...options)
    return new AzShell(installation, settings)
  }

  get subscription(): string {
    return this.#environment['STRONGROOM_SUBSCRIPTION_ID'] ?? ''
  }

  get tenant(): string {
    return this.#environment['STRONGROOM_TENANT_ID'] ?? ''
  }

  get environment(): Record<string, string> {
    return this.#environment
  }

  /** A shell line; `strongroom` is the CLI, and the variables of `strongroom env` are set. */
  async shell(line: string, extra: Record<string, string> = {}): Promise<Outcome> {
    const script = `strongroom() { ${join(root, 'strongroom')} "$@"; }\n${line}`
    const child = spawn('/bin/bash', ['-c', script], {
      cwd: this.installation.home,
      env: { ...this.installation.environment(), ...this.#environment, PYTHONWARNINGS: 'ignore', ...extra },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const code = await new Promise<number>((done, fail) => {
      child.once('error', fail)
      child.once('close', (value) => done(value ?? -1))
    })
    let body: unknown
    try {
      body = JSON.parse(stdout)
    } catch {
      body = undefined
    }
    return { code, stdout, stderr, body }
  }

  /** `az` with a line's words; `$SUB` is replaced by the subscription's id. */
  async az(line: string, extra: Record<string, string> = {}): Promise<Outcome> {
    return await this.shell(`az ${line.replaceAll('$SUB', `/subscriptions/${this.subscription}`)}`, extra)
  }

  async close(): Promise<void> {
    await this.installation.remove()
  }
}
