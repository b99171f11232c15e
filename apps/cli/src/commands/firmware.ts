import { resolve } from 'node:path'
import {
  cpuModels,
  mostVCPUs,
  type FirmwareListDocument,
  type FirmwareRemoval,
  type FirmwareSigning,
} from '@strongroom/contract'
import { toHex } from '@strongroom/evidence'
import {
  measureFirmware,
  snpLaunchDigests,
  verifyFirmwareList,
  type FirmwareRelease,
} from '@strongroom/evidence/expected'
import { firmwarePath } from '@strongroom/firmware'
import { ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { ownFirmware } from '../trust/firmware.ts'
import { readTrustAnchors } from '../trust/roots.ts'
import { ownCommand } from '../core/own-name.ts'

const version = '2024-11-01'
const address = (arm: ArmClient): string => `${arm.subscription}/providers/Strongroom.Machine/firmware`

/** The signed list, verified. @throws EvidenceError if it is not signed by a pinned key */
async function listed(context: CommandContext, { jws, current }: FirmwareListDocument): Promise<Result> {
  const anchors = await readTrustAnchors(context.paths)
  const { signedAt, releases } = await verifyFirmwareList({ jws, keys: anchors.images ?? [] })
  const rows = releases.map((release) => [
    release.version,
    String(release.securityVersion),
    release.builtAt.toISOString(),
    toHex(release.sha256).slice(0, 16),
    toHex(release.sha256) === current ? 'yes' : '',
  ])
  const isListed = releases.some(({ sha256 }) => toHex(sha256) === current)
  const data = { signedAt, releases: releases.map(shown), ...(current !== undefined && { current }), jws }
  const columns = ['Version', 'Security', 'Built', 'SHA256', 'Launched']
  if (!isListed && current !== undefined)
    context.say(
      `The firmware that guests are launched with now (SHA-256 ${current}) is not listed: no confidential VM ` +
        `starts. Sign it: ${ownCommand('firmware sign')}.`,
    )
  return { data, table: { columns, rows } }
}

const shown = (release: FirmwareRelease): object => ({
  version: release.version,
  securityVersion: release.securityVersion,
  builtAt: release.builtAt.toISOString(),
  sha256: toHex(release.sha256),
  mrtd: toHex(release.mrtd),
})

/** @throws CliError InvalidArgument */
function numberOption(context: CommandContext, name: string, o: { flag: string; most: number }): number | undefined {
  const stated = textOption(context, name)
  if (stated === undefined) return undefined
  if (/^(?:0|[1-9]\d{0,8})$/.test(stated) && Number(stated) <= o.most) return Number(stated)
  throw new CliError({
    code: 'InvalidArgument',
    message: `${o.flag} is not a valid number.`,
    expected: `a whole number from 0 to ${o.most}`,
    found: stated.slice(0, 40),
    exitCode: exitCodes.usage,
  })
}

/** A launch with this firmware as evidence shows it, for either technology. */
async function measurements(
  release: Pick<FirmwareRelease, 'sha256' | 'snp' | 'mrtd'>,
  o: { name: string; vCPUs: number | undefined },
): Promise<Result> {
  const digests = await snpLaunchDigests({ ...release.snp, vCPUs: o.vCPUs ?? mostVCPUs, vcpuType: cpuModels.SNP })
  const of = digests.map((each, index) => ({ vCPUs: index + 1, launchDigest: toHex(each) }))
  const wanted = o.vCPUs === undefined ? of.filter(({ vCPUs }) => sizes.includes(vCPUs)) : of.slice(-1)
  const mrtd = toHex(release.mrtd)
  return {
    data: {
      name: o.name,
      sha256: toHex(release.sha256),
      snp: { vcpuType: cpuModels.SNP, launchDigests: of },
      tdx: { mrtd, rtmrs },
    },
    lines: [
      `${o.name}, as guests are launched with it (SHA-256 ${toHex(release.sha256)})`,
      `AMD SEV-SNP, launch digest by processors (${cpuModels.SNP})`,
      ...wanted.map(({ vCPUs, launchDigest }) => `  ${String(vCPUs).padStart(3)}  ${launchDigest}`),
      'Intel TDX',
      `  MRTD   ${mrtd}`,
      ...rtmrs.map((value, index) => `  RTMR${index}  ${value}`),
    ],
  }
}

/** Numbers of processors that most sizes have; `--vcpus` shows any other. */
const sizes = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128]
/** The vTPM measures what follows the launch, as with a paravisor on Azure: the TD's own registers are never extended. */
const rtmrs = Array.from({ length: 4 }, () => '00'.repeat(48))

/** From the list by version or digest, else from a file. */
async function releaseNamed(context: CommandContext, named: string): Promise<FirmwareRelease> {
  const arm = new ArmClient(await context.connect())
  const { jws } = await arm.get<FirmwareListDocument>(address(arm), version)
  const anchors = await readTrustAnchors(context.paths)
  const { releases } = await verifyFirmwareList({ jws, keys: anchors.images ?? [] })
  const found = releases.find((each) => each.version === named || toHex(each.sha256).startsWith(named))
  if (found !== undefined) return found
  throw new CliError({
    code: 'FirmwareNotListed',
    message: 'The list has no such firmware.',
    expected: releases.map((each) => each.version).join(', '),
    found: named.slice(0, 120),
    remedy: 'See `strongroom firmware list`.',
  })
}

export const firmwareCommands: Command[] = [
  {
    words: ['firmware', 'list'],
    summary: 'list the firmware that confidential VMs may be launched with, as the installation signed it',
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const document = await arm.get<FirmwareListDocument>(address(arm), version)
      return await listed(context, document)
    },
  },
  {
    words: ['firmware', 'measurements'],
    args: ['[file]'],
    summary:
      'show the launch measurements of firmware, for AMD SEV-SNP and Intel TDX: of a file, by default what guests ' +
      'are launched with where this runs, or of a listed release',
    options: [
      { flags: '--release <version>', summary: 'of the signed list, by version or SHA-256, instead of a file' },
      { flags: '--vcpus <number>', summary: 'of a guest with this many processors' },
    ],
    examples: [
      'strongroom firmware measurements /usr/share/OVMF/OVMF_CODE_4M.secboot.fd',
      'strongroom firmware measurements --release "ovmf 2025.02-8+deb13u1" --vcpus 4',
    ],
    run: async (context) => {
      const vCPUs = numberOption(context, 'vcpus', { flag: '--vcpus', most: mostVCPUs })
      const named = textOption(context, 'release')
      if (named !== undefined) {
        const release = await releaseNamed(context, named)
        return await measurements(release, { name: release.version, vCPUs })
      }
      const file = context.args[0] === undefined ? firmwarePath() : resolve(context.args[0])
      const firmware = await ownFirmware(file)
      if ('unknown' in firmware)
        throw new CliError({ code: 'FileNotReadable', message: firmware.unknown, exitCode: exitCodes.usage })
      return await measurements(await measureFirmware(firmware.bytes), { name: file, vCPUs })
    },
  },
  {
    words: ['firmware', 'remove'],
    args: ['<release>'],
    summary: 'list a release no longer, by version or SHA-256: no VM starts with it, a new one neither',
    run: async (context) => {
      const { sha256 } = await releaseNamed(context, context.args[0]!)
      const arm = new ArmClient(await context.connect())
      const body: FirmwareRemoval = { sha256: toHex(sha256) }
      return await listed(
        context,
        (await arm.send('POST', `${address(arm)}/remove`, version, body)).json as FirmwareListDocument,
      )
    },
  },
  {
    words: ['firmware', 'sign'],
    args: ['[file]'],
    summary:
      'list firmware: existing VMs start with it where their owners allow listed firmware; by default what guests are launched with now',
    options: [
      { flags: '--name <text>', summary: 'what it is called; by default the package and version of the file' },
      {
        flags: '--security-version <number>',
        summary:
          'raise it where what came before has a flaw: a VM that ran a higher one is launched with none below it',
      },
    ],
    examples: ['strongroom firmware sign', 'strongroom firmware sign --security-version 2'],
    run: async (context) => {
      const securityVersion = numberOption(context, 'securityVersion', {
        flag: '--security-version',
        most: 999_999_999,
      })
      const [stated, file] = [textOption(context, 'name'), context.args[0]]
      const body: FirmwareSigning = {
        ...(file !== undefined && { path: resolve(file) }),
        ...(stated !== undefined && { version: stated }),
        ...(securityVersion !== undefined && { securityVersion }),
      }
      const arm = new ArmClient(await context.connect())
      const document = (await arm.send('POST', `${address(arm)}/sign`, version, body)).json as FirmwareListDocument
      return await listed(context, document)
    },
  },
]
