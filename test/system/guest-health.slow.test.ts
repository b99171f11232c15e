import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '@strongroom/platform'
import { ArmClient, apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { groupPath, prepareNetwork } from '../../apps/cli/src/up/vm-network.ts'
import { vmBody, vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { TestInstallation } from './support/installation.ts'
import { defaultRequest, diskFile, statusOf, type Status, type VmView } from './support/vm.ts'

/** One confidential VM, really booted: what only its guest can see is in the instance view with its remedy (S8, S15, S28). */
const installation = await TestInstallation.create()
const name = 'watched'
let vm: VmView
// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
type Loose = any
let secondNic: Loose
let userIdentity: Loose
const password = 'Corre-ct horse 9 \u00fc'

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await makeVm()
})

/** With everything a user can give it besides keys: a password, a second interface, a user-assigned identity. */
async function makeVm(): Promise<VmView> {
  const arm = new ArmClient(await connect(installation.stateDir))
  const request = await defaultRequest(installation, name)
  await prepareNetwork(arm, request)
  const network = `${groupPath(arm, request.group)}/providers/Microsoft.Network`
  const body = vmBody(arm, request) as Loose
  const { networkInterfaces } = body.properties.networkProfile
  const nic = (await arm.get<Loose>(networkInterfaces[0].id as string, apiVersions.network)) as Loose
  const { subnet } = nic.properties.ipConfigurations[0].properties
  secondNic = await arm.result('PUT', `${network}/networkInterfaces/back`, apiVersions.network, {
    location: body.location,
    properties: { ipConfigurations: [{ name: 'ipconfig1', properties: { subnet: { id: subnet.id } } }] },
  })
  const identityPath = `${groupPath(arm, request.group)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana`
  userIdentity = await arm.result('PUT', identityPath, '2023-01-31', { location: body.location })
  Object.assign(networkInterfaces[0], { properties: { ...networkInterfaces[0].properties, primary: true } })
  networkInterfaces.push({ id: secondNic.id, properties: { primary: false } })
  body.identity = { type: 'UserAssigned', userAssignedIdentities: { [identityPath]: {} } }
  Object.assign(body.properties.osProfile, { adminPassword: password })
  body.properties.osProfile.linuxConfiguration.disablePasswordAuthentication = false
  await arm.run('PUT', vmPath(arm, request.group, name), apiVersions.compute, body)
  return await installation.must<VmView>('vm', 'show', name)
}

afterAll(async () => await installation.remove())

const asRoot = (script: string): Promise<string> => installation.asRoot(name, script)

/** The status after the guest was asked to report twice at the same time: the latest is reported last. */
async function reported(prefix: string): Promise<Status> {
  await asRoot('/usr/lib/strongroom/health & systemctl start strongroom-health; wait')
  return statusOf(await installation.must<VmView>('vm', 'show', name), prefix)
}

describe('what a guest was given', () => {
  it('is its network interfaces, by their MAC addresses, each with its own private address', async () => {
    const { macAddress, ipConfigurations } = secondNic.properties
    const links = (await asRoot('ip -o link; echo; ip -o -4 address')).toLowerCase()
    expect(links).toContain((macAddress as string).toLowerCase().replaceAll('-', ':'))
    expect(links).toContain(`inet ${ipConfigurations[0].properties.privateIPAddress}/24`)
    expect(links.match(/link\/ether/g)).toHaveLength(2)
    const shown = await asRoot(
      "curl --silent --noproxy '*' --header 'Metadata: true' 'http://169.254.169.254/metadata/instance/network?api-version=2021-02-01'",
    )
    const { interface: interfaces } = JSON.parse(shown) as { interface: Loose[] }
    expect(interfaces.map((each) => each.macAddress)[1]).toBe((macAddress as string).replaceAll('-', ''))
  })

  it('is no way out by an interface that its host added and names itself the gateway of (attack H31)', async () => {
    const script = [
      'ip netns add host && ip link add added type veth peer name server netns host',
      'ip -n host address add 192.0.2.1/24 dev server && ip -n host link set server up',
      "printf '%s\\n' 'start 192.0.2.10' 'end 192.0.2.20' 'interface server' 'opt subnet 255.255.255.0' \\",
      "  'opt router 192.0.2.1' 'opt dns 192.0.2.1' 'lease_file /run/leases' 'pidfile /run/udhcpd.pid' >/run/udhcpd.conf",
      ': >/run/leases; ip netns exec host busybox udhcpd /run/udhcpd.conf && ip link set added up',
      'for i in $(seq 60); do ip -o -4 address show dev added | grep -q 192.0.2 && break; sleep 0.5; done',
      'ip -o -4 address show dev added; ip -o route show default',
    ]
    expect(await asRoot(script.join('\n'))).toMatch(/^\d+: added +inet 192\.0\.2\.\d+[^\n]*$/)
  })

  it('is its root file system under its own names, though another disk claims them (attack H31)', async () => {
    const script = [
      'uuid=$(findmnt --noheadings --output UUID /)',
      'truncate --size 64M /root/claims && mkfs.ext4 -q -F -L root -U "$uuid" /root/claims',
      'losetup --find --show /root/claims >/dev/null && udevadm settle',
      'readlink -f "/dev/disk/by-uuid/$uuid" /dev/disk/by-label/root',
    ]
    expect((await asRoot(script.join('\n'))).split('\n')).toEqual(['/dev/dm-0', '/dev/dm-0'])
  })

  it('is tokens of its user-assigned identity, with and without naming it', async () => {
    const { clientId } = userIdentity.properties
    for (const choice of ['', `&client_id=${clientId}`]) {
      const url = `http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net${choice}`
      const answer = await asRoot(`curl --silent --noproxy '*' --header 'Metadata: true' '${url}'`)
      expect((JSON.parse(answer) as Loose).client_id).toBe(clientId)
    }
  })

  it('is its administrator’s password, which opens its SSH; the host’s files have neither it nor its hash', async () => {
    const shadow = await asRoot('grep ^azureuser: /etc/shadow')
    const hash = shadow.split(':')[1] ?? ''
    expect(hash).toMatch(/^\$y\$j9T\$/)
    const arm = new ArmClient(await connect(installation.stateDir))
    const { ssh } = await arm.result<Loose>(
      'POST',
      `${vmPath(arm, 'strongroom', name)}/retrieveConnection`,
      apiVersions.compute,
    )
    const entered = async (answer: string): Promise<string> => {
      const askpass = join(installation.home, 'askpass')
      await writeFile(askpass, `#!/bin/sh\nprintf '%s\\n' '${answer}'\n`, { mode: 0o700 })
      const { stdout } = await run({
        command: 'ssh',
        args: (
          `-p ${ssh.port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no -o ` +
          `NumberOfPasswordPrompts=1 azureuser@${ssh.host} whoami`
        ).split(' '),
        env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':none' },
        allow: [255],
        timeoutMs: 120_000,
      })
      return stdout.toString().trim()
    }
    expect(await entered(password)).toBe('azureuser')
    expect(await entered('Another-1234')).toBe('')
    // The answers that the guest's programs can fetch later do not contain it either.
    const told = await asRoot(
      "curl --silent --noproxy '*' --header 'Metadata: true' http://169.254.169.254/metadata/strongroom/provisioning",
    )
    expect(told).not.toContain('passwordHash')
    await rm(join(installation.home, 'askpass'))
    const disk = await diskFile(installation, vm)
    const found = await run({
      command: 'grep',
      args: ['--recursive', '--files-with-matches', '--text', '-F', '-e', 'horse 9', '-e', hash, installation.home],
      allow: [1],
      timeoutMs: 240_000,
    })
    expect([found.stdout.toString(), disk.startsWith(installation.home)]).toEqual(['', true])
  })
})

describe('what a guest reports about itself', () => {
  it('shows that the vTPM is ready, and secrets are sealed to it and opened (S15)', async () => {
    expect((await reported('VirtualTpm/')).code).toBe('VirtualTpm/ready')
    const opened = await asRoot(`cd /run; printf secret >s
tpm2_create -Q -C 0x81000001 -i s -u p -r r; tpm2_load -Q -C 0x81000001 -u p -r r -c o; tpm2_unseal -c o`)
    expect(opened).toBe('secret')
  })

  it('shows a clock that drifts, and the remedy that runs in the guest (S28)', async () => {
    expect((await reported('Clock/')).code).toBe('Clock/inStep')
    await asRoot(`cp /etc/chrony/chrony.conf /run/before
echo 'refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2' >>/etc/chrony/chrony.conf
systemctl stop chrony
date --set '+3 seconds' >/dev/null`)
    const drifted = await reported('Clock/')
    expect(drifted.code).toBe('Clock/drifted')
    expect(drifted.message).toMatch(/ahead of the host's.*chrony/)
    await expect(asRoot('/usr/lib/strongroom/clock-remedy')).rejects.toThrow('chronyd is not active')
    await asRoot(
      'sed -i /ptp_hyperv/d /etc/chrony/chrony.conf; systemctl start chrony; sed -i "\\$a refclock PHC ' +
        '/dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2" /etc/chrony/chrony.conf',
    )
    expect(await asRoot('/usr/lib/strongroom/clock-remedy')).toContain('127.0.0.1')
    expect(
      await asRoot(
        'grep ptp_hyperv /etc/chrony/chrony.conf; grep -c "^pool .*ntp.org" /etc/chrony/chrony.conf; ls ' +
          '/etc/chrony | grep -c chrony.conf.2',
      ),
    ).toMatch(/^#refclock.*\n4\n1$/)
    await expect
      .poll(async () => (await reported('Clock/')).code, { timeout: 60_000, interval: 5_000 })
      .toBe('Clock/inStep')
  })

  it('tells swap on the encrypted disk from swap in clear, which it says how to mend (S8)', async () => {
    await asRoot(`fallocate -l 64M /swap; chmod 600 /swap; mkswap -q /swap; swapon /swap`)
    expect((await reported('Swap/')).code).toBe('Swap/protected')
    const device = await asRoot(`swapoff /swap; fallocate -l 64M /dev/shm/clear
device=$(losetup --find --show /dev/shm/clear); mkswap -q "$device"; swapon "$device"; echo "$device"`)
    const clear = await reported('Swap/')
    expect(clear).toMatchObject({ code: 'Swap/unprotected', level: 'Warning' })
    expect(clear.message).toContain(`swapoff ${device}`)
    await asRoot(`swapoff ${device}; losetup --detach ${device}`)
  })
})
