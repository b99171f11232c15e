import assert from 'node:assert/strict'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { ArmClient } from '../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../apps/cli/src/up/vm-request.ts'
import type { TestInstallation } from '../system/support/installation.ts'
import type { VmView } from '../system/support/vm.ts'
import type { Loose } from './driver.ts'

/** A booted confidential VM of an installation with guests. */
export class Guest {
  readonly installation: TestInstallation
  readonly name: string
  readonly tee: 'snp' | 'tdx'
  readonly vm: VmView

  private constructor(installation: TestInstallation, name: string, tee: 'snp' | 'tdx', vm: VmView) {
    this.installation = installation
    this.name = name
    this.tee = tee
    this.vm = vm
  }

  static async boot(installation: TestInstallation, tee: 'snp' | 'tdx'): Promise<Guest> {
    const name = 'faq'
    const vm = await installation.must<VmView>('vm', 'create', name, '--tee', tee)
    return new Guest(installation, name, tee, vm)
  }

  /** Runs a script as root in the guest and returns its output. */
  async root(script: string): Promise<string> {
    const encoded = Buffer.from(`set -e\n${script}`).toString('base64')
    const { code, stdout, stderr } = await this.installation.inGuest(
      this.name,
      `base64 -d <<<${encoded} | sudo bash -s`,
    )
    assert.equal(code, 0, `${script}: ${stderr}`)
    return stdout.trim()
  }

  async trust(): Promise<{ trusted: boolean; links: { id: string; outcome: string }[] }> {
    return (await this.installation.cli('vm', 'trust', this.name)).json as Loose
  }

  async arm(): Promise<{ arm: ArmClient; path: string }> {
    const arm = new ArmClient(await connect(this.installation.stateDir))
    return { arm, path: vmPath(arm, 'strongroom', this.name) }
  }

  async instanceView(): Promise<Loose> {
    return ((await this.installation.must('vm', 'show', this.name)) as Loose).properties.instanceView
  }

  /** Converts the VM to the other silicon, like its owner, and boots it there. */
  async convert(): Promise<Guest> {
    const { arm, path } = await this.arm()
    await this.installation.must('vm', 'deallocate', this.name)
    const size = this.tee === 'snp' ? 'Standard_DC2es_v5' : 'Standard_DC2as_v5'
    await arm.run('PATCH', path, '2024-11-01', { properties: { hardwareProfile: { vmSize: size } } })
    await this.installation.must('vm', 'start', this.name)
    return new Guest(this.installation, this.name, this.tee === 'snp' ? 'tdx' : 'snp', this.vm)
  }

  async remove(): Promise<void> {
    await this.installation.cli('vm', 'delete', this.name, '--yes')
  }
}
