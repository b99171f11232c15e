import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorDetail } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { ArmClient } from '../../../apps/cli/src/client/arm.ts'
import { connect } from '../../../apps/cli/src/client/connection.ts'
import { fetchConnection } from '../../../apps/cli/src/commands/vm/resource.ts'
import { personalSshKey } from '../../../apps/cli/src/core/ssh-key.ts'
import { serverCommand } from '../../../apps/cli/src/up/server-command.ts'
import { defaultGroup, vmPath } from '../../../apps/cli/src/up/vm-request.ts'
import { layProcessors } from '@strongroom/host/testing'

const root = resolve(import.meta.dirname, '../../..')

/** Longer than the host waits for a boot under emulation (600 s): the host reports why it gave up. */
const commandLimitMs = 640_000

export interface CliOutcome {
  code: number
  stdout: string
  stderr: string
  /** Parsed standard output, for commands run with --output json. */
  json: unknown
}

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

async function collect(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return await new Promise((done, fail) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(new Error(`${child.spawnargs.join(' ')} did not end in ${commandLimitMs / 1000} s\n${stdout}\n${stderr}`))
    }, commandLimitMs)
    child.once('error', fail)
    child.once('close', (code) => {
      clearTimeout(timer)
      done({ code, stdout, stderr })
    })
  })
}

/** One installation in a separate folder, its server a child process that can be killed. Images are shared through the cache. */
export class TestInstallation {
  readonly home: string
  readonly stateDir: string
  readonly cacheDir: string
  readonly ports: { tls: number; local: number }
  server: ChildProcess | undefined
  startupMilliseconds = 0

  private constructor(home: string, ports: { tls: number; local: number }, cacheDir: string | undefined) {
    this.home = home
    this.stateDir = join(home, 'state')
    this.cacheDir = cacheDir ?? process.env['STRONGROOM_CACHE_DIR'] ?? join(homedir(), '.cache/strongroom')
    this.ports = ports
  }

  /** @param o.cacheDir for a test that changes what is in the cache */
  static async create(o: { cacheDir?: string } = {}): Promise<TestInstallation> {
    const home = await mkdtemp(join(tmpdir(), 'strongroom-test-'))
    return new TestInstallation(home, { tls: await freePort(), local: await freePort() }, o.cacheDir)
  }

  /** Where its roots are, and the person's folder that remembers them. */
  get rootPaths(): { state: string; config: string } {
    return { state: this.stateDir, config: join(this.home, 'config/strongroom') }
  }

  environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, 'config'),
      STRONGROOM_STATE_DIR: this.stateDir,
      STRONGROOM_CACHE_DIR: this.cacheDir,
      ...extra,
    }
  }

  /** Starts the server and waits until it is ready; throws its error if it refuses. */
  async start(extra: Record<string, string> = {}, args: string[] = []): Promise<void> {
    const compute = args[args.indexOf('--compute') + 1] === 'simulated' ? 'simulated' : 'guests'
    if (!args.includes('--mode') && !args.includes('--store-url-file')) await this.layProcessors({ compute })
    const before = performance.now()
    const command = await serverCommand({
      stateDir: this.stateDir,
      cacheDir: this.cacheDir,
      tlsPort: String(this.ports.tls),
      localPort: String(this.ports.local),
    })
    const child = spawn(command.file, [...command.args, ...args], {
      env: this.environment({ ...command.env, ...extra }),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.server = child
    const message = await new Promise<{ type: 'ready' } | { type: 'failed'; error: ErrorDetail }>((done, fail) => {
      child.once('message', (value) => done(value as { type: 'ready' }))
      child.once('exit', (code, signal) => fail(new Error(`the server ended before it was ready: ${code ?? signal}`)))
    })
    this.startupMilliseconds = performance.now() - before
    if (message.type === 'failed')
      throw Object.assign(new Error(`${message.error.code}: ${message.error.message}`), { detail: message.error })
  }

  /** Before the first start: saves it the time to generate processors' keys. Master keys are stored in `home`. */
  async layProcessors(o: { compute?: 'guests' | 'simulated' }): Promise<void> {
    if (existsSync(this.stateDir)) return
    const names = ['CREDENTIALS_DIRECTORY', 'STRONGROOM_MASTER_KEY_FILE', 'XDG_CONFIG_HOME'] as const
    const before = names.map((name) => [name, process.env[name]] as const)
    for (const name of names) delete process.env[name]
    process.env['XDG_CONFIG_HOME'] = join(this.home, 'config')
    try {
      await layProcessors({ stateDir: this.stateDir, compute: o.compute ?? 'guests', stores: 'sqlite' })
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.server
    this.server = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    child.kill(signal)
    await ended
  }

  /** Runs the CLI as a user would. @throws if it does not end, with its output so far */
  async cli(...args: string[]): Promise<CliOutcome> {
    return await this.startCli(...args).outcome
  }

  startCli(...args: string[]): { child: ChildProcess; outcome: Promise<CliOutcome> } {
    const full = args.includes('--') ? args : [...args, '--output', 'json']
    const child = spawn(join(root, 'strongroom'), full, {
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const outcome = collect(child).then((ended) => {
      let json: unknown
      try {
        json = JSON.parse(ended.stdout)
      } catch {
        json = undefined
      }
      return { ...ended, code: ended.code ?? -1, json }
    })
    return { child, outcome }
  }

  /** Runs a command that must succeed. */
  async must<T = unknown>(...args: string[]): Promise<T> {
    const outcome = await this.cli(...args)
    if (outcome.code !== 0)
      throw new Error(`strongroom ${args.join(' ')} ended with ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`)
    return outcome.json as T
  }

  /**
   * Runs one command in the guest over SSH, whoever the guest is: tests also look into VMs that are not trusted, where
   * `vm ssh` connects to nothing.
   */
  async inGuest(name: string, command: string): Promise<CliOutcome> {
    const child = spawn('ssh', [...(await this.sshTo(name)), '--', command], { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = await collect(child)
    return { ...ended, code: ended.code ?? -1, json: undefined }
  }

  /** Arguments of ssh. */
  async sshTo(name: string): Promise<string[]> {
    const arm = new ArmClient(await connect(this.stateDir))
    const { ssh } = await fetchConnection(arm, vmPath(arm, defaultGroup, name))
    const { privatePath } = await personalSshKey(join(this.home, 'config/strongroom'))
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'IdentitiesOnly=yes']
    const patient = ['ConnectTimeout=120', 'ServerAliveInterval=30', 'ServerAliveCountMax=4']
    const all = [...options, ...patient].flatMap((option) => ['-o', option])
    return ['-F', 'none', '-i', privatePath, ...all, '-p', String(ssh.port), `${ssh.user}@${ssh.host}`]
  }

  /** Output of a script run by root in the guest, under bash -euo pipefail. @throws if it fails */
  async asRoot(name: string, script: string): Promise<string> {
    const encoded = Buffer.from(script).toString('base64')
    const { stdout, stderr, code } = await this.inGuest(name, `base64 -d <<<${encoded} | sudo bash -euo pipefail -s`)
    if (code !== 0) throw new Error(`${stdout}\n${stderr}`)
    return stdout.trim()
  }

  async serverLog(): Promise<string> {
    return await readFile(join(this.stateDir, 'server.log'), 'utf8').catch(() => '')
  }

  vmFolder(vmId: string): string {
    return join(this.stateDir, 'machines', vmId)
  }

  /** Ends everything and removes every trace. */
  async remove(): Promise<void> {
    await this.stop()
    await sleep(200)
    if (process.env['STRONGROOM_KEEP_STATE'] === undefined) await rm(this.home, { recursive: true, force: true })
  }
}
