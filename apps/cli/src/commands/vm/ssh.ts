import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { TrustReport } from '@strongroom/trust'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import type { Command, CommandContext } from '../../core/command.ts'
import { personalSshKey } from '../../core/ssh-key.ts'
import { recallAsked } from '../../trust/asked-settings.ts'
import { sshOptions, strictSsh } from '../../trust/host-keys.ts'
import { recallName } from '../../trust/known-names.ts'
import { fetchConnection, fetchVm, groupOption, openVm } from './resource.ts'
import { judgeTrust, newHostKeyOption } from './trust.ts'

export const sshCommand: Command = {
  words: ['vm', 'ssh'],
  args: ['<name>', '[command...]'],
  names: 'vm',
  summary:
    'verify the VM and its running guest, then open a shell there or run one command, under its measured host key',
  options: [
    groupOption,
    newHostKeyOption,
    {
      flags: '--not-confidential',
      summary: 'for a VM that is not confidential: accept any host key at first; nothing shows that it is the VM’s',
    },
  ],
  examples: ['strongroom vm ssh first', 'strongroom vm ssh first -- uname -a'],
  run: async (context) => {
    const { arm, path, name } = await openVm(context)
    const vm = await fetchVm(arm, path)
    const { vmId } = vm.properties
    const isOrdinary = context.options['notConfidential'] === true
    if (isOrdinary) await requireNeverTrusted(context, { path, vmId, name })
    const judged = isOrdinary ? undefined : await judgeTrust(context, { arm, path, name })
    const { ssh: target } = await fetchConnection(arm, path)
    const strict =
      judged === undefined
        ? unverified(context, vmId)
        : await strictSsh(context.paths.config, { vmId, hostKey: hostKeyOf(judged.result.data as TrustReport) })
    await judged?.pin()
    const key = await personalSshKey(context.paths.config)
    const options = sshOptions([
      'IdentitiesOnly=yes',
      'LogLevel=ERROR',
      // QEMU accepts connections for a hung guest: TCP alone never notices.
      'ConnectTimeout=120',
      'ServerAliveInterval=30',
      'ServerAliveCountMax=4',
    ])
    const at = ['-p', String(target.port), `${target.user}@${target.host}`]
    const args = ['-i', key.privatePath, ...strict, ...options, ...at]
    if (context.args.length > 1) args.push('--', ...context.args.slice(1))
    process.exitCode = await new Promise<number>((done, fail) => {
      const child = spawn('ssh', args, { stdio: 'inherit' })
      child.once('error', fail)
      child.once('exit', (value) => done(value ?? 255))
    })
    return undefined
  },
}

/** The resource manager’s word does not make a VM, or its name, an ordinary one. */
async function requireNeverTrusted(
  { paths: { config } }: CommandContext,
  o: { path: string; vmId: string; name: string },
): Promise<void> {
  const known = await recallName(config, o.path)
  if (known?.trustedAt === undefined && (await recallAsked(config, o.vmId))?.pins === undefined) return
  throw new CliError({
    code: 'VmNotTrusted',
    message: `${o.name} is a confidential VM that you trusted before. Nothing was sent to its SSH port.`,
    expected: 'a VM that never was confidential',
    found: known?.trustedAt === undefined ? 'pins of a boot that you trusted' : `trusted on ${known.trustedAt}`,
    remedy: 'Leave --not-confidential out.',
    exitCode: exitCodes.notTrusted,
  })
}

/** Nothing vouches for the host key of a VM that is not confidential; its host reads and changes everything in it anyway. */
function unverified({ paths, say }: CommandContext, vmId: string): string[] {
  say('WARNING NotConfidential: nothing shows that the SSH host key is the VM’s own.')
  return sshOptions([
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile="${join(paths.config, 'known-hosts', 'not-confidential')}"`,
    'GlobalKnownHostsFile=/dev/null',
    `HostKeyAlias=${vmId.toLowerCase()}`,
  ])
}

/** @throws CliError VmNotTrusted, VmWithoutHostKey */
function hostKeyOf(report: TrustReport): string {
  const { name, trusted, links, sshHostKey } = report
  const broken = links.filter(({ outcome }) => outcome !== 'verified')
  if (!trusted)
    throw new CliError({
      code: 'VmNotTrusted',
      message: `${name} is not trusted, so whoever answers at its SSH port may be another machine. Nothing was sent there.`,
      expected: 'a VM whose trust report holds',
      found:
        broken
          .map(({ title, code, why = '' }) => `${title}: ${code === undefined ? '' : `${code}: `}${why}`)
          .join(' | ') || 'no guest',
      remedy: `Check \`strongroom vm trust ${name}\`.`,
      exitCode: exitCodes.notTrusted,
    })
  if (sshHostKey !== undefined) return sshHostKey
  throw new CliError({
    code: 'VmWithoutHostKey',
    message: `The guest of ${name} measured that it has no Ed25519 SSH host key.`,
    expected: 'an image whose SSH server has /etc/ssh/ssh_host_ed25519_key',
    found: 'none',
    remedy: 'Create that key in the guest and restart the VM.',
  })
}
