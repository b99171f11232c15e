import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { harmless, noticed, refused, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import { MetadataLiar, type Provisioning } from '../host/metadata-liar.ts'
import type { Observation } from '../host/observation.ts'
import { runProgram } from '../host/programs.ts'

/** File, inside the control run's copy, with the guest’s boot report of that time. */
export const reportFile = 'drill-boot-report.json'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDRILLDRILLDRILLDRILLDRILLDRILLDRILLDRILLDRI drill-host'

const replaced = (told: Provisioning, values: Record<string, string>): Provisioning => [
  ...told.filter(([name]) => !(name in values)),
  ...Object.entries(values).map(([name, value]): [string, Buffer] => [name, Buffer.from(value)]),
]

async function lied(host: Host, lie: (told: Provisioning) => Provisioning, look: string): Promise<Observation> {
  const liar = new MetadataLiar({ provisioning: lie })
  await host.lie(liar)
  const seen = await host.boot(look)
  if (liar.asked || !seen.accepted) return seen
  // It asked somebody else, so nothing was tried.
  return { ...seen, unseen: 'the guest was ready without asking the host’s endpoint' }
}

/** A certificate authority of the host's, with which it could pose as every service that the guest uses. */
async function hostsAuthority(host: Host): Promise<{ pem: string; fingerprint: string }> {
  const [keyFile, file] = [await host.file('authority.key'), await host.file('authority.pem')]
  const subject = ['-subj', '/CN=drill-host', '-days', '30', '-newkey', 'rsa:2048', '-nodes']
  await runProgram('openssl', ['req', '-new', '-x509', ...subject, '-keyout', keyFile, '-out', file])
  const pem = await readFile(file, 'utf8')
  return { pem, fingerprint: pem.split('\n')[2] ?? '' }
}

const lookForAccounts = `
grep -rqs 'drill-host' /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys && echo 'taken SSH key'
getent passwd drillhost >/dev/null && echo 'taken account'
[ "$(hostname)" = drill-host ] && echo 'taken host name'
grep -qs drill /var/lib/waagent/CustomData && echo 'taken custom data'
getent shadow | grep -q 'drillhash' && echo 'taken password'
grep -qs 169.254.169.250 /etc/environment && echo 'taken proxy'
true`

export const metadataAttacks: Attack[] = [
  {
    id: 'B5/later-boot',
    title: 'a metadata endpoint that names other accounts, keys and data at a later boot',
    does: 'answers the guest in the endpoint’s place: another account, host name, custom data, password and key',
    ends: [harmless, noticed(/^settings$/), refused(/^BootReportRefused$/)],
    carryOut: async (host) =>
      await lied(
        host,
        (told) =>
          replaced(told, {
            hostname: 'drill-host',
            adminUsername: 'drillhost',
            sshPublicKey: key,
            customData: '#!/bin/sh\necho drill\n',
            passwordHash: '$y$j9T$drillhash0123456789/$drillhashdrillhashdrillhashdrillhash01234567',
          }),
        lookForAccounts,
      ),
  },
  {
    id: 'H7/authority',
    title: 'a certificate authority of the host’s at a later boot',
    does: 'answers the guest with a CA of its own, under which it could be every service',
    ends: [
      harmless,
      noticed(/^(settings|authority|measured-boot)$/),
      refused(/^(BootReportRefused|GuestDidNotBoot|GuestBootTimeout)$/),
    ],
    carryOut: async (host) => {
      const { pem, fingerprint } = await hostsAuthority(host)
      const look =
        `grep -rqsF '${fingerprint}' /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates && echo ` +
        "'taken certificate authority'\ntrue"
      return await lied(host, (told) => replaced(told, { caPem: pem }), look)
    },
  },
  {
    id: 'H4/proxy',
    title: 'a proxy of the host’s choice at a later boot',
    does: 'answers the guest with another proxy',
    // The host decides where the guest's requests go; TLS protects the answers.
    ends: [
      harmless,
      noticed(/^(settings|measured-boot)$/),
      refused(/^(BootReportRefused|GuestDidNotBoot|GuestBootTimeout)$/),
    ],
    carryOut: async (host) =>
      await lied(host, (told) => replaced(told, { proxy: 'http://169.254.169.250:3128' }), 'true'),
  },
  {
    id: 'V8/replayed-report',
    title: 'a boot report of the boot before',
    does: 'sends the report that the guest made then in place of its new one',
    ends: [refused(/^BootReportRefused$/, /nonce/)],
    from: 'later',
    carryOut: async (host) => {
      const old = await readFile(join(host.o.stateDir, reportFile))
      await host.lie(new MetadataLiar({ report: () => old }))
      return await host.boot()
    },
  },
  {
    id: 'V3/edited-report',
    title: 'a boot report with another register',
    does: 'changes PCR 15 in the report that the guest sends',
    ends: [refused(/^BootReportRefused$/, /quote|PCR/)],
    carryOut: async (host) => {
      const report = (body: Buffer): Buffer => {
        const told = JSON.parse(body.toString()) as { pcrs?: Record<string, string> }
        if (told.pcrs !== undefined) told.pcrs['15'] = '00'.repeat(32)
        return Buffer.from(JSON.stringify(told))
      }
      await host.lie(new MetadataLiar({ report }))
      return await host.boot()
    },
  },
]

/** RSA-2048, as an attacker would create to have keys wrapped to. */
export const attackersKey = (): Record<string, unknown> => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
})
