import { invalid } from '../../../../arm/refusals.ts'
import type { Problem } from '../../../../arm/fields.ts'
import { passwordProblems } from './password-rules.ts'
import type { VmRequest } from '../model/requested-vm.ts'

const reservedNames = new Set(
  (
    'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console ' +
    'david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5 daemon bin nobody ' +
    'sshd sync games man lp mail news uucp proxy www-data list irc'
  ).split(' '),
)

/** Host name, account and keys. */
export function accountProblems(r: VmRequest): Problem[] {
  const problems: Problem[] = []
  const { computerName, adminUsername, sshKeys } = r.osProfile
  const refuse = (member: string, message: string, expected: string, found?: string): void =>
    void problems.push(
      invalid(`properties.osProfile.${member}`, message, {
        expected,
        ...(found !== undefined && { found: found.slice(0, 64) }),
      }),
    )
  if (computerName === undefined || !/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(computerName)) {
    refuse(
      'computerName',
      'Linux host name must be 1 to 63 letters, digits and hyphens, and not begin or end with a hyphen.',
      'a host name',
      computerName,
    )
  }
  if (adminUsername === undefined || !/^[a-z_][a-z0-9_-]{0,31}$/.test(adminUsername)) {
    refuse(
      'adminUsername',
      'The Admin Username must begin with a lower-case letter or underscore and have at most 32 lower-case ' +
        'letters, digits, hyphens and underscores.',
      'for example azureuser',
      adminUsername,
    )
  } else if (reservedNames.has(adminUsername)) {
    refuse('adminUsername', 'The Admin Username specified is not allowed.', 'another name', adminUsername)
  }
  const { adminPassword, disablePassword, password } = r.osProfile
  const withPassword = adminPassword !== undefined || password !== undefined
  if (adminPassword !== undefined) problems.push(...passwordProblems(adminPassword))
  if (disablePassword === false && !withPassword)
    refuse('adminPassword', "Required parameter 'adminPassword' is missing (null).", 'a password', 'null')
  else if (sshKeys.length === 0 && !withPassword)
    refuse(
      'linuxConfiguration.ssh.publicKeys',
      'Authentication using SSH requires at least one public key.',
      'an OpenSSH public key',
    )
  for (const [index, key] of sshKeys.entries()) {
    if (!isSshPublicKey(key.keyData)) {
      refuse(
        `linuxConfiguration.ssh.publicKeys[${index}].keyData`,
        'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.',
        'one line of an OpenSSH public key file: ssh-ed25519, ssh-rsa or ecdsa-sha2-…',
        key.keyData.split(' ')[0],
      )
    }
    if (adminUsername !== undefined && key.path !== '' && key.path !== `/home/${adminUsername}/.ssh/authorized_keys`) {
      refuse(
        `linuxConfiguration.ssh.publicKeys[${index}].path`,
        `Destination path for SSH public keys is currently limited to its default value /home/${adminUsername}/.ssh/authorized_keys.`,
        `/home/${adminUsername}/.ssh/authorized_keys`,
        key.path,
      )
    }
  }
  return problems
}

/** One line, a known type, and a blob that names the same type: nothing else can reach authorized_keys. */
export function isSshPublicKey(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text) || text.length > 16_384) return false
  const match =
    /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com) ([A-Za-z0-9+/]+={0,2})( .*)?$/.exec(
      text,
    )
  if (match === null) return false
  const blob = Buffer.from(match[2]!, 'base64')
  if (blob.length < 4) return false
  const length = blob.readUInt32BE(0)
  return blob.length > 4 + length && blob.subarray(4, 4 + length).toString('latin1') === match[1]
}
