import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'
import manifest from '../../../package.json' with { type: 'json' }
import type { ErrorDetail } from '@strongroom/contract'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { freePorts } from '../ports.ts'
import { StartedStrongroomContainer } from './started.ts'

/** Built by `npm run image:container`. */
const defaultImage = `localhost/strongroom:${manifest.version}`
/** Another program may take a port between its choice and its use. */
const attempts = 5
const startupMs = 60_000
const thisMachine = ['localhost', '127.0.0.1', '::1']

/**
 * A cloud in a separate container: on a read-only file system, without capabilities, listening on free ports of this
 * machine's 127.0.0.1 only, because its proxy can reach whatever this machine can. Its keys are in memory and end with
 * it.
 */
export class StrongroomContainer extends GenericContainer {
  #options: string[] = []
  #said: string[] = []

  /** @param image that the engine has or can pull; default: this version's, built by `npm run image:container` */
  constructor(image: string = defaultImage) {
    super(image)
    this.withNetworkMode('host')
      .withTmpFs({ '/tmp': 'rw,mode=1777,size=64m' })
      .withDroppedCapabilities('ALL')
      .withSecurityOpt('no-new-privileges')
      .withStartupTimeout(startupMs)
      .withWaitStrategy(Wait.forLogMessage('{"type":"ready"'))
      .withLogConsumer((stream) => stream.on('data', (line) => this.#said.push(String(line))))
    this.hostConfig.ReadonlyRootfs = true
  }

  /** Lets `strongroom test`, run in the container, move the clock, inject faults and reset. */
  withTestApi(): this {
    this.#options.push('--test-api')
    return this
  }

  /** Refuses VMs with unregistered images, instead of using the reference image. */
  withStrictImages(): this {
    this.#options.push('--strict-images')
    return this
  }

  /** @throws CliError ContainersElsewhere if the engine is on another machine; the server's error if it does not start */
  override async start(): Promise<StartedStrongroomContainer> {
    const { info } = await getContainerRuntimeClient()
    const { host } = info.containerRuntime
    if (!thisMachine.includes(host)) throw elsewhere(host)
    for (let left = attempts; ; left--) {
      try {
        return await this.#startOnce()
      } catch (error) {
        if (left === 1 || !(error instanceof CliError) || error.code !== 'PortTaken') throw error
      }
    }
  }

  async #startOnce(): Promise<StartedStrongroomContainer> {
    const [tls, local] = await freePorts(2)
    this.#said = []
    this.withCommand(['--compute', 'simulated', '--port', String(tls), '--local-port', String(local), ...this.#options])
    const started = await super.start().catch((error: unknown) => {
      throw this.#refusal() ?? error
    })
    return await StartedStrongroomContainer.of(started)
  }

  /** The server's error if it ended before it was ready. */
  #refusal(): CliError | undefined {
    const line = this.#said
      .join('')
      .split('\n')
      .find((each) => each.includes('"type":"failed"'))
    if (line === undefined) return undefined
    const { error } = JSON.parse(line.slice(line.indexOf('{'))) as { error: ErrorDetail }
    return CliError.fromDetail(error, 500)
  }
}

const elsewhere = (host: string): CliError =>
  new CliError({
    code: 'ContainersElsewhere',
    message:
      'The container engine is not on this machine, and Strongroom answers only on the loopback interface of the machine it runs on.',
    expected: thisMachine.join(' or '),
    found: host,
    remedy: 'Point DOCKER_HOST at a socket of this machine, or use `start()` of the package `strongroom`.',
    exitCode: exitCodes.missingPrerequisite,
  })
