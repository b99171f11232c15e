import { conditionOf, mostScriptSeconds, type CommandRequest, type CommandStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { faqRule } from '../../../../arm/faq-rule.ts'
import { Fields } from '../../../../arm/fields.ts'
import type { Plane } from '../../../../types/plane.ts'
import { type Vm, vmType } from '../model/vm-model.ts'
import type { Db, Resource } from '../../../../store/resources.ts'

/** Azure's id of the only command that Linux guests run here. */
export const shellCommand = 'RunShellScript'
/** Azure's limit on an action, and the default of a managed run command. */
const actionSeconds = mostScriptSeconds
/** The last line of a script that its VM's owner signed (docs/guides/guests.md). */
const signed = /\n# strongroom-signature: [A-Za-z0-9+/=]+\s*$/

export interface Script {
  script: string
  parameters: { name: string; value: string }[]
  /** Absent if the request names none. */
  timeoutSeconds?: number
}

/** Body of `POST {vm}/runCommand`. @throws ServiceError with every problem */
export function readAction(body: unknown): Script {
  const fields = new Fields(body)
  requireShell(fields, fields.text('commandId') ?? '')
  const lines = fields.texts('script', 5_000)
  const read = { script: lines.join('\n'), parameters: readParameters(fields) }
  requireScript(fields, read.script)
  fields.assertSound()
  return read
}

/** `properties` of a managed run command. Problems are added to `fields`. */
export function readManaged(properties: Fields): Script {
  const source = properties.object('source')
  const commandId = source.text('commandId')
  if (commandId !== undefined) requireShell(source, commandId)
  for (const [fieldsOf, name, why] of [
    [source, 'scriptUri', 'Scripts are not fetched from an address: the signature covers the text.'],
    [
      properties,
      'protectedParameters',
      'Parameters pass through the host in clear, so protected parameters are not possible.',
    ],
    [properties, 'runAsUser', 'Commands run as root; use sudo -u inside the script.'],
    [properties, 'runAsPassword', 'A password would pass through the host in clear.'],
    [properties, 'outputBlobUri', 'There are no storage accounts: read the output in the instance view.'],
    [properties, 'errorBlobUri', 'There are no storage accounts: read the output in the instance view.'],
  ] as const) {
    if (!fieldsOf.has(name)) continue
    properties.unsupported(fieldsOf.at(name), why, { expected: 'absent', found: name, remedy: `Leave ${name} out.` })
  }
  const script = source.text('script') ?? ''
  requireScript(source, script)
  const timeoutSeconds = properties.integer('timeoutInSeconds', 1, actionSeconds)
  return { script, parameters: readParameters(properties), ...(timeoutSeconds !== undefined && { timeoutSeconds }) }
}

function readParameters(fields: Fields): Script['parameters'] {
  return fields.list('parameters', 100).map((each) => {
    const [name, value] = [each.text('name') ?? '', each.text('value') ?? '']
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) || value.includes('\0') || value.length > 16_384)
      fields.invalid(each.path, `The parameter '${name.slice(0, 64)}' cannot be used as an environment variable.`, {
        expected: 'a name of letters, digits and underscores, and a value of at most 16 KiB',
        found: name.slice(0, 64),
        remedy: 'Use another name.',
      })
    return { name, value }
  })
}

function requireShell(fields: Fields, commandId: string): void {
  if (commandId.toLowerCase() === shellCommand.toLowerCase()) return
  fields.invalid(fields.at('commandId'), `The run command '${commandId.slice(0, 60)}' is not offered.`, {
    expected: shellCommand,
    found: commandId.slice(0, 60),
    remedy: `Use ${shellCommand}.`,
  })
}

function requireScript(fields: Fields, script: string): void {
  if (script.trim() !== '' && script.length <= 262_144) return
  fields.invalid(fields.at('script'), script.trim() === '' ? 'The script is missing.' : 'The script is too long.', {
    expected: 'a shell script of at most 256 KiB',
    found: `${script.length} characters`,
    remedy: 'Pass the script with --scripts @file.',
  })
}

/**
 * What the host gets. An unsigned script for a confidential VM is already refused here: its guest would not run it.
 * @throws ServiceError RunCommandNotSigned, InvalidParameter
 */
export function commandOf(vm: Vm, id: string, o: Script): CommandRequest {
  const isSigned = signed.test(o.script)
  if (!isSigned && vm.internal.model.securityType === 'ConfidentialVM') throw notSigned(vm)
  if (isSigned && o.parameters.length > 0) throw parametersUnsigned()
  const limit = isSigned ? signedLimit(o.script) : undefined
  if (limit !== undefined && o.timeoutSeconds !== undefined && o.timeoutSeconds !== limit)
    throw otherLimit(limit, o.timeoutSeconds)
  return { id, ...o, timeoutSeconds: limit ?? o.timeoutSeconds ?? actionSeconds }
}

/** Undefined if the guest would refuse it, which gives the reason. */
function signedLimit(script: string): number | undefined {
  const seconds = Number(/^[1-9]\d{0,3}$/.exec(conditionOf(script, 'limit') ?? '')?.[0])
  return seconds <= mostScriptSeconds ? seconds : undefined
}

const notSigned = (vm: Vm): ServiceError =>
  new ServiceError({
    code: 'RunCommandNotSigned',
    message:
      'A confidential VM runs only scripts that its owner signed with an SSH key that the VM accepts, whatever ' +
      'the host or this resource manager sends.',
    target: vm.id,
    expected: 'a script whose last line is `# strongroom-signature: …`',
    found: 'a script that is not signed',
    remedy:
      `Sign it: strongroom vm sign-script ${vm.name} SCRIPT >signed.sh, then run signed.sh; or strongroom vm ` +
      `run-command ${vm.name} SCRIPT.`,
    details: [faqRule('S25')],
  })

const otherLimit = (signedFor: number, found: number): ServiceError =>
  new ServiceError({
    code: 'InvalidParameter',
    message:
      'The request names another limit than the one that the script was signed with, which alone counts in the guest.',
    target: 'properties.timeoutInSeconds',
    expected: `${signedFor}, or no timeoutInSeconds`,
    found: String(found),
    remedy: 'Leave timeoutInSeconds out, or sign the script again: strongroom vm sign-script --limit MINUTES.',
  })

const parametersUnsigned = (): ServiceError =>
  new ServiceError({
    code: 'InvalidParameter',
    message: 'The signature does not cover parameters, so a signed script cannot have any.',
    target: 'parameters',
    expected: 'no parameters',
    found: 'parameters beside a signed script',
    remedy: 'Write the values into the script before signing it.',
  })

export const refusedByGuest = (vm: Vm, why: string): ServiceError =>
  new ServiceError({
    code: 'RunCommandRefusedByGuest',
    message: `The guest did not run the script: ${why}.`,
    target: vm.id,
    expected: 'a script that this VM’s owner signed for it and that has not run before',
    found: why,
    remedy: `Sign it again: strongroom vm sign-script ${vm.name} SCRIPT.`,
    details: [faqRule('S25')],
  })

/** The output of `az vm run-command invoke`. */
export function actionResult(status: CommandStatus): Record<string, unknown> {
  const done = status.exitCode === 0
  return {
    value: [
      {
        code: `ProvisioningState/${done ? 'succeeded' : 'failed'}`,
        level: done ? 'Info' : 'Error',
        displayStatus: done ? 'Provisioning succeeded' : 'Provisioning failed',
        message:
          `Enable ${done ? 'succeeded' : `failed: exit status ${status.exitCode ?? -1}`}: \n` +
          `[stdout]\n${status.stdout ?? ''}\n[stderr]\n` +
          `${status.stderr ?? ''}`,
      },
    ],
  }
}

export const runCommandType: string = `${vmType}/runCommands`

export interface RunCommandInternal {
  /** Of the command at the host. */
  commandId: string
  vmId: string
  /** How it ended, once that was shown: the host keeps its result until the end of the boot. */
  ended?: Omit<CommandStatus, 'stdout' | 'stderr'>
}

export type RunCommand = Resource<RunCommandInternal>

/** The managed run commands of one VM. */
async function commandsOf(plane: Plane, vm: Vm, db: Db): Promise<RunCommand[]> {
  const all = await plane.resources.list<RunCommandInternal>({ type: runCommandType, groupId: vm.id }, db)
  return all.filter(({ key }) => key.startsWith(`${vm.key}/`))
}

/** Deleting a VM deletes its run commands. */
export async function removeRunCommands(plane: Plane, tx: Db, vm: Vm): Promise<void> {
  for (const command of await commandsOf(plane, vm, tx)) await plane.resources.remove(tx, command.id)
}
