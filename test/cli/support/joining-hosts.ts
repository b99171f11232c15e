import { spawn, type ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { AddedHost, HostView } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { TestInstallation } from '../../system/support/installation.ts'

const launcher = resolve(import.meta.dirname, '../../../strongroom')

/** An installation without guests that hosts can join, and hosts that do it by the command line, each in a directory of its own. */
export class JoiningHosts {
  readonly installation: TestInstallation
  /** ADDRESS:PORT */
  readonly address: string
  readonly #agents: ChildProcess[] = []

  private constructor(installation: TestInstallation, address: string) {
    this.installation = installation
    this.address = address
  }

  static async create(): Promise<JoiningHosts> {
    const installation = await TestInstallation.create()
    const address = `127.0.0.1:${await freePort()}`
    await installation.start({}, ['--compute', 'simulated', '--fleet-address', address])
    return new JoiningHosts(installation, address)
  }

  async add(name: string): Promise<AddedHost> {
    const size = ['--cores', '64', '--memory', '256', '--zone', '1']
    return await this.installation.must<AddedHost>('host', 'add', name, ...size)
  }

  async show(name: string): Promise<HostView> {
    return await this.installation.must<HostView>('host', 'show', name)
  }

  directory(name: string): string {
    return join(this.installation.home, name)
  }

  /** `strongroom host join|run` in a host's directory, as on its own machine. */
  onHost(name: string, words: string[], code?: string): { child: ChildProcess; said: () => string } {
    const child = spawn(launcher, ['host', ...words, '--dir', this.directory(name)], {
      env: this.installation.environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#agents.push(child)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stdin?.end(code)
    return { child, said: () => said }
  }

  async remove(): Promise<void> {
    for (const agent of this.#agents) await ended(agent)
    await this.installation.remove()
  }
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const over = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await over
}
