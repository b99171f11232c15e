import { createHash, randomUUID } from 'node:crypto'
import type { CarriedSilicon } from '@strongroom/contract'
import { ParseError, VerificationError } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { launchOnSilicon, type LaunchedVm } from '@strongroom/paravisor'
import { readFirmware } from '@strongroom/paravisor/expected'
import { encodeBytes } from './bytes.ts'
import { unreadable } from './unreadable.ts'

/** Launches kept per VM: a boot, and what opens a guest state beside it. */
const mostLaunches = 4

/**
 * The simulated processors for joined hosts. Their keys belong to the installation and never reach a host; a report
 * covers only claims of the VM and epoch that the host carries.
 */
export class SiliconForHosts {
  readonly #silicon: Silicon
  /** By VM: a processor remembers what it launched until it is off. After a server restart, reports belong to the next boot. */
  readonly #launches = new Map<string, { id: string; epoch: number; launched: LaunchedVm }[]>()

  constructor(silicon: Silicon) {
    this.#silicon = silicon
  }

  /** @throws ServiceError CallNotCarried */
  async ask(ask: CarriedSilicon): Promise<Record<string, unknown>> {
    const { amd, intel } = this.#silicon
    if (ask.ask === 'launch') return await this.#launch(ask)
    if (ask.ask === 'report') return await this.#report(ask)
    if (ask.ask === 'quote') return await this.#quote(ask)
    if (ask.ask === 'endorsements') return encoded(await amd.endorsements())
    if (ask.ask === 'collateral') return encoded(await intel.collateral())
    return { text: await intel.earlyTcbInfo() }
  }

  forget(vmId: string): void {
    this.#launches.delete(vmId)
  }

  async #launch(ask: CarriedSilicon): Promise<Record<string, unknown>> {
    const { vmId, epoch } = ask
    const launched = await launch(this.#silicon, ask)
    const id = randomUUID()
    const kept = (this.#launches.get(vmId) ?? []).filter((each) => each.epoch === epoch)
    this.#launches.set(vmId, [...kept, { id, epoch, launched }].slice(-mostLaunches))
    return { launch: id, measurement: launched.measurement }
  }

  async #quote({ report = '' }: CarriedSilicon): Promise<Record<string, unknown>> {
    const quote = await this.#silicon.intel.quote(Buffer.from(report, 'base64')).catch((cause: unknown) => {
      if (!(cause instanceof ParseError || cause instanceof VerificationError)) throw cause
      throw unreadable({ target: 'report', expected: 'a TDREPORT of this processor', found: cause.message, cause })
    })
    return encoded({ quote })
  }

  async #report(ask: CarriedSilicon): Promise<Record<string, unknown>> {
    const claims = Buffer.from(ask.claims ?? '', 'base64')
    requireOwnClaims(claims, ask)
    const known = this.#launches.get(ask.vmId)?.find(({ id, epoch }) => id === ask.launch && epoch === ask.epoch)
    if (known === undefined) throw notCarried('a launch of this VM at this epoch', ask.launch ?? 'none')
    const report = await known.launched.report(claims)
    const request = await report.request({ withCollateral: false })
    return encoded({ bytes: report.bytes, evidence: await report.evidence(), request })
  }
}

async function launch(silicon: Silicon, ask: CarriedSilicon): Promise<LaunchedVm> {
  const { tee, vCPUs } = ask
  const firmware = await readFirmware()
  const own = createHash('sha256').update(firmware).digest('hex')
  if (tee === undefined || vCPUs === undefined || ask.firmware !== own)
    throw notCarried('the server’s firmware and its launch parameters', ask.firmware ?? 'none')
  return await launchOnSilicon({ silicon, spec: { tee }, firmware, vCPUs })
}

function requireOwnClaims(claims: Uint8Array, { vmId, epoch }: CarriedSilicon): void {
  const expected = `claims of ${vmId} at epoch ${epoch}`
  let configuration: Record<string, unknown> | undefined
  try {
    configuration = (JSON.parse(Buffer.from(claims).toString('utf8')) as Record<string, typeof configuration>)[
      'vm-configuration'
    ]
  } catch {
    throw notCarried(expected, 'no claims')
  }
  const { vmUniqueId, 'placement-epoch': attested } = configuration ?? {}
  if (vmUniqueId !== vmId || attested !== epoch)
    throw notCarried(expected, `claims of ${String(vmUniqueId)} at epoch ${String(attested)}`)
}

const encoded = (value: object): Record<string, unknown> => encodeBytes(value) as Record<string, unknown>

const notCarried = (expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'CallNotCarried',
    message: 'The processor does not make this report for this host.',
    expected,
    found: found.slice(0, 200),
    remedy: 'Run the same version of Strongroom and of Debian’s firmware on the host as on the server.',
  })
