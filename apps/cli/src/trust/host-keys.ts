import { join } from 'node:path'
import { writeFileAtomically } from '@strongroom/platform/files'

/**
 * Writes the SSH host key of a verified report for ssh, in the user's own folder: whoever runs the installation does not
 * reach it. One file for each VM.
 * @param o.hostKey type and key
 * @returns arguments with which ssh connects to this VM or to nothing
 */
export async function strictSsh(configDir: string, o: { vmId: string; hostKey: string }): Promise<string[]> {
  const name = o.vmId.toLowerCase()
  if (!/^[0-9a-f-]{36}$/.test(name)) throw new TypeError('a VM id is a GUID')
  const path = join(configDir, 'known-hosts', name)
  await writeFileAtomically(path, `${name} ${o.hostKey}\n`)
  return sshOptions([
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile="${path}"`,
    'GlobalKnownHostsFile=/dev/null',
    // Nor a program, the DNS or the server itself, by the user's configuration.
    'KnownHostsCommand=none',
    'VerifyHostKeyDNS=no',
    'UpdateHostKeys=no',
    `HostKeyAlgorithms=${o.hostKey.split(' ')[0]}`,
    `HostKeyAlias=${name}`,
  ])
}

export const sshOptions = (options: readonly string[]): string[] => options.flatMap((option) => ['-o', option])
