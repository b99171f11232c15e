import { resolve } from 'node:path'
import type {
  ImageBuildStatus,
  ImageMeasurementsDocument,
  ImageRecord,
  ImageUpdate,
  ImageUpdateRequest,
  ImageVariant,
} from '@strongroom/contract'
import { setTimeout as sleep } from 'node:timers/promises'
import { ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { readTrustAnchors } from '../trust/roots.ts'
import { measurementsResult } from '../trust/show-measurements.ts'
import { createProgress, type Progress } from '../up/progress.ts'

export const version = '2024-11-01'
export const images = (arm: ArmClient): string => `${arm.subscription}/providers/Strongroom.Machine/images`

const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
const columns = ['Id', 'Name', 'Version', 'Source', 'MiB', 'Confidential', 'DiskEncryption', 'Kernel']
const row = (image: ImageRecord): string[] => [
  image.id,
  image.name,
  image.version,
  image.source,
  String(Math.round(image.sizeBytes / 2 ** 20)),
  yesNo(image.qualifies.confidential),
  yesNo(image.qualifies.diskEncryption),
  image.os.kernel,
]

/** Builds the reference image, or a variant of it, if missing, with a progress line per step. */
export async function buildImage(
  arm: ArmClient,
  progress: Progress,
  variant: ImageVariant = 'reference',
): Promise<ImageRecord> {
  const build = `${images(arm)}/build?variant=${variant}`
  let status = (await arm.send('POST', build, version)).json as ImageBuildStatus
  const onSteps = progress.onSteps()
  for (;;) {
    onSteps(
      status.steps.map((step) => ({
        ...step,
        name: `${variant === 'reference' ? 'reference image' : `image ${variant}`}: ${step.name}`,
        state: step.endedAt === undefined ? 'Running' : 'Done',
      })),
    )
    if (status.state === 'Succeeded' && status.image !== undefined) return status.image
    if (status.state === 'Failed')
      throw CliError.fromDetail(status.error ?? { code: 'ImageBuildFailed', message: 'The image was not built.' }, 409)
    await sleep(500)
    status = await arm.get<ImageBuildStatus>(build, version)
  }
}

/** Of the newest reference image. @throws CliError ImageNotBuilt */
export async function referenceImageId(arm: ArmClient): Promise<string> {
  const { value } = await arm.get<{ value: ImageRecord[] }>(images(arm), version)
  const [newest] = value
    .filter(({ source }) => source === 'reference')
    .toSorted((a, b) => b.builtAt.localeCompare(a.builtAt))
  if (newest !== undefined) return newest.id
  throw new CliError({
    code: 'ImageNotBuilt',
    message: 'The reference image is not built yet.',
    remedy: 'Build it once with `strongroom image build`, or name another image.',
  })
}

/** @throws CliError InvalidArgument for two at once */
function wantedVariant(options: Record<string, unknown>): ImageVariant {
  const wanted = (['cloudInit', 'minimal'] as const).filter((name) => options[name] === true)
  if (wanted.length > 1)
    throw new CliError({
      code: 'InvalidArgument',
      message: 'Only one variant of the reference image can be built at a time.',
      expected: '--cloud-init or --minimal',
      found: 'both',
    })
  return wanted[0] === undefined ? 'reference' : wanted[0] === 'cloudInit' ? 'cloud-init' : 'minimal'
}

/** @throws CliError InvalidArgument */
function generationOf(stated: string): number {
  if (/^(?:0|[1-9]\d{0,8})$/.test(stated)) return Number(stated)
  throw new CliError({
    code: 'InvalidArgument',
    message: '--generation is not a valid generation.',
    expected: 'a whole number from 0 to 999999999',
    found: stated.slice(0, 40),
    exitCode: exitCodes.usage,
  })
}

export const imageCommands: Command[] = [
  {
    words: ['image', 'build'],
    summary: "build the reference image from Debian's packages, once",
    options: [
      { flags: '--cloud-init', summary: 'the variant with cloud-init' },
      { flags: '--minimal', summary: 'a minimal one for tests: measured boot, its report and SSH only' },
    ],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const variant = wantedVariant(context.options)
      const image = await buildImage(arm, createProgress(context.say), variant)
      return { data: image, table: { columns, rows: [row(image)] } }
    },
  },
  {
    words: ['image', 'import'],
    args: ['<file>'],
    summary: 'import a raw, qcow2 or VHD disk, and report whether it qualifies for confidential VMs, and if not, why',
    options: [{ flags: '--name <name>', summary: 'name of the image; by default the name of the file' }],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const path = resolve(context.args[0]!)
      const name =
        textOption(context, 'name') ??
        path
          .split('/')
          .at(-1)!
          .replace(/\.[^.]+$/, '')
      const image = (await arm.send('POST', `${images(arm)}/import`, version, { path, name })).json as ImageRecord
      const reasons = image.qualifies.reasons.map((reason) => `  ${reason}`)
      return {
        data: image,
        lines: [
          `${image.name} is imported as ${image.id}.`,
          `  confidential VM: ${yesNo(image.qualifies.confidential)}, disk encryption: ${yesNo(image.qualifies.diskEncryption)}`,
          ...reasons,
        ],
      }
    },
  },
  {
    words: ['image', 'measurements'],
    args: ['[image]'],
    names: 'image',
    summary: 'show the measurements of an image’s boot, signed by the installation; by default the reference image’s',
    examples: ['strongroom image measurements --output json > measurements.json'],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const named = context.args[0] ?? (await referenceImageId(arm))
      const path = `${images(arm)}/${encodeURIComponent(named)}/measurements`
      const { jws } = await arm.get<ImageMeasurementsDocument>(path, version)
      return measurementsResult(jws, await readTrustAnchors(context.paths))
    },
  },
  {
    words: ['image', 'update'],
    args: ['<file>'],
    summary: 'sign a unified kernel image as an update of an image: VMs of it start it, and their disks open',
    options: [
      { flags: '--image <image>', summary: 'id or name; by default the reference image' },
      {
        flags: '--generation <number>',
        summary:
          'of security, by default that of the update before, or 0; once a VM runs a higher one, it opens for none before it',
      },
    ],
    examples: ['strongroom image update linux.efi', 'strongroom image update linux.efi --generation 2'],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const named = textOption(context, 'image') ?? (await referenceImageId(arm))
      const stated = textOption(context, 'generation')
      const body: ImageUpdateRequest = {
        path: resolve(context.args[0]!),
        ...(stated !== undefined && { generation: generationOf(stated) }),
      }
      const path = `${images(arm)}/${encodeURIComponent(named)}/update`
      const update = (await arm.send('POST', path, version, body)).json as ImageUpdate
      return {
        data: update,
        lines: [
          `Kernel ${update.release} is an update of ${update.image}, generation ${update.generation}.`,
          `  boot file  ${update.bootFile} (Authenticode, SHA-256)`,
          `  package    ${update.directory}`,
          `  for apt    ${update.repository}`,
          'Install the package strongroom-boot-file in the VM and restart it: docs/guides/virtual-machines.md, Kernel updates.',
        ],
      }
    },
  },
  {
    words: ['image', 'list'],
    summary: 'list the images that VMs can be made from',
    watchable: true,
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const found = await arm.get<{ value: ImageRecord[] }>(images(arm), version)
      return { data: found.value, table: { columns, rows: found.value.map(row) } }
    },
  },
]
