import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ShownHost, VmPlacement } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { startTestInstallation, type TestInstallation } from './running.ts'
import { hostPath, startHost, type TestHost } from './test-hosts.ts'

const pollMs = 20

/** An installation that hosts join, and hosts of its own folder; without guests, unless the test wants them. */
export class TestFleet {
  readonly installation: TestInstallation
  readonly folder: string
  /** By name. */
  readonly hosts: Map<string, TestHost> = new Map()

  private constructor(installation: TestInstallation, folder: string) {
    this.installation = installation
    this.folder = folder
  }

  static async start(o: { compute?: 'guests' } = {}): Promise<TestFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-hosts-'))
    const fleetAddress = `127.0.0.1:${await freePort()}`
    return new TestFleet(await startTestInstallation({ fleetAddress, ...o }), folder)
  }

  /** Adds a host, joins it, and starts its agent; it has a lease then. */
  async join(name: string, o: Omit<Parameters<typeof startHost>[1], 'name' | 'folder'> = {}): Promise<TestHost> {
    const host = await startHost(this.installation, { ...o, name, folder: this.folder })
    this.hosts.set(name, host)
    while (!host.isLeased()) await sleep(pollMs)
    return host
  }

  async shown(name: string): Promise<ShownHost> {
    return await this.installation.arm('GET', hostPath(this.installation, name))
  }

  async drain(name: string, body?: object): Promise<ShownHost> {
    return await this.installation.arm('POST', `${hostPath(this.installation, name)}/drain`, body)
  }

  async resume(name: string): Promise<ShownHost> {
    return await this.installation.arm('POST', `${hostPath(this.installation, name)}/resume`)
  }

  /** @param vm ARM id */
  async placementOf(vm: string): Promise<VmPlacement> {
    return await this.installation.arm('POST', `${vm}/retrievePlacement`)
  }

  /** @returns for example PowerState/running */
  async powerOf(vm: string): Promise<string> {
    const { statuses } = await this.installation.arm<{ statuses: { code: string }[] }>('GET', `${vm}/instanceView`)
    return statuses.find(({ code }) => code.startsWith('PowerState/'))?.code ?? ''
  }

  async close(): Promise<void> {
    for (const host of this.hosts.values()) await host.stop()
    await this.installation.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}
