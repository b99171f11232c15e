import { harmless, measured, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import type { Observation } from '../host/observation.ts'
import { makeMark, markingUnit, unitShell } from '../host/mark.ts'

/** Names in systemd 257 that accept a value and run nothing (systemd.system-credentials(7), and ImportCredential= of its units). */
// prettier-ignore
const plainNames = [
  'firstboot.keymap', 'firstboot.locale', 'firstboot.locale-messages', 'firstboot.timezone', 'login.issue',
  'login.motd', 'network.hosts', 'network.dns', 'network.search_domains', 'network.conf.drill', 'network.link.drill',
  'network.netdev.drill', 'network.network.drill', 'network.wireguard.private.drill', 'passwd.hashed-password.root',
  'passwd.plaintext-password.root', 'passwd.shell.root', 'vconsole.keymap', 'vconsole.keymap_toggle', 'vconsole.font',
  'vconsole.font_map', 'vconsole.font_unimap', 'getty.ttys.serial', 'getty.ttys.container',
  'journal.forward_to_socket', 'journal.storage', 'vmm.notify_socket', 'system.machine_id', 'system.hostname',
  'home.create.drill', 'userdb.user.drill', 'cryptsetup.passphrase', 'cryptsetup.luks2-pin', 'cryptsetup.tpm2-pin',
  'cryptsetup.fido2-pin', 'cryptsetup.pkcs11-pin', 'pcrlock.drill', 'passwd.hashed-password.azureuser',
  'passwd.plaintext-password.azureuser', 'passwd.shell.azureuser', 'tty.container.0.agetty.autologin',
  'tty.container.0.login.noauth', 'tty.console.login.noauth', 'tty.virtual.tty1.login.noauth', 'import.pull',
  'ssh.listen', 'ssh.ephemeral-authorized_keys-all', 'shell.prompt.prefix', 'shell.prompt.suffix', 'shell.welcome',
  'agetty.autologin', 'login.noauth', 'tty.serial.ttyS0.agetty.autologin', 'tty.serial.ttyS0.login.noauth',
  'tty.console.agetty.autologin', 'tty.virtual.tty1.agetty.autologin', 'udev.conf.drill', 'drill.of-no-name',
]

const values: Record<string, string> = {
  'passwd.plaintext-password.root': 'drill',
  'vmm.notify_socket': 'vsock:2:1234',
  'system.machine_id': '0123456789abcdef0123456789abcdef',
  'getty.ttys.serial': 'ttyS0',
  'agetty.autologin': 'root',
  'login.noauth': 'yes',
  'ssh.listen': '0.0.0.0:2222',
  'journal.forward_to_socket': 'vsock:2:1235',
}

/** Credentials that run code, add users, mounts or kernel settings: each with a separate mark. */
function marking(host: Pick<Host, 'mark'>): Record<string, string> {
  const [unit, dropIn, udev, temporary] = [
    'systemd.extra-unit',
    'systemd.unit-dropin',
    'udev.rules',
    'tmpfiles.extra',
  ].map((name) => host.mark(name))
  return {
    'systemd.extra-unit.d.service': markingUnit(unit!),
    'systemd.unit-dropin.-.slice': '[Unit]\nWants=d.service\n',
    'systemd.unit-dropin.sysinit.target': '[Unit]\nWants=d.service\n',
    'systemd.unit-dropin.initrd.target': '[Unit]\nWants=d.service\n',
    'systemd.unit-dropin.systemd-journald.service': `[Service]\nExecStartPost=-+/bin/sh -c "${unitShell(dropIn!)}"\n`,
    'udev.rules.99-drill':
      'SUBSYSTEM=="mem", KERNEL=="null", RUN+="/bin/sh -c ' +
      `'${udev!.shell.replaceAll("'", '').replaceAll('%', '%%')}'"\n`,
    'tmpfiles.extra': `w+ /dev/ttyS0 - - - - ${temporary!.text}\nf+ /run/drill-tmpfiles - - - - drill\n`,
    'sysusers.extra': 'u drill-host - - / /bin/sh\n',
    'sysctl.extra': 'kernel.domainname=drill-host\n',
    'fstab.extra': 'tmpfs /run/drill-fstab tmpfs X-mount.mkdir 0 0\n',
    'fstab.extra.initrd': 'tmpfs /sysroot/run/drill-fstab tmpfs X-mount.mkdir 0 0\n',
    'ssh.authorized_keys.root':
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDRILLDRILLDRILLDRILLDRILLDRILLDRILLDRILLDRI drill-host\n',
  }
}

/** Reports every imported credential, and its effects. */
const look = `
for folder in /run/credentials/@system /run/credentials/@encrypted; do
  [ -d "$folder" ] || continue
  for file in "$folder"/*; do [ -e "$file" ] && echo "taken credential \${file##*/}"; done
done
systemctl cat d.service >/dev/null 2>&1 && echo 'taken unit of systemd.extra-unit'
systemctl show --property=Wants -- -.slice sysinit.target initrd.target | grep -qE '[= ]d\\.service( |$)' &&
  echo 'taken systemd.unit-dropin'
getent passwd drill-host >/dev/null && echo 'taken user of sysusers.extra'
[ "$(cat /proc/sys/kernel/domainname)" = drill-host ] && echo 'taken sysctl.extra'
[ -e /run/drill-tmpfiles ] && echo 'taken tmpfiles.extra'
findmnt /run/drill-fstab >/dev/null && echo 'taken fstab.extra'
grep -qs drill-host /root/.ssh/authorized_keys && echo 'taken ssh.authorized_keys.root'
[ "$(cat /etc/machine-id)" = 0123456789abcdef0123456789abcdef ] && echo 'taken system.machine_id'
true`

/** Every name known to systemd 257, with a value that shows where it is used. */
export const credentials = (host: Pick<Host, 'mark'>): [name: string, value: string][] => [
  ...Object.entries(marking(host)),
  ...plainNames.map((name): [string, string] => [name, values[name] ?? 'drill-host']),
]

async function bySmbios(host: Host): Promise<Observation> {
  for (const [name, value] of credentials(host)) {
    const text = value.includes('\n')
      ? `io.systemd.credential.binary:${name}=${Buffer.from(value).toString('base64')}`
      : `io.systemd.credential:${name}=${value}`
    host.qemu.add('-smbios', `type=11,value=${text.replaceAll(',', ',,')}`)
  }
  return await host.boot(look)
}

/** QEMU's limit on file names. */
const longestFile = 55

async function byFirmwareConfiguration(host: Host): Promise<Observation> {
  host.qemu.add('-global', 'fw_cfg_io.x-file-slots=256')
  for (const [index, [name, value]] of credentials(host).entries()) {
    const path = `opt/io.systemd.credentials/${name}`
    if (path.length <= longestFile)
      host.qemu.add('-fw_cfg', `name=${path},file=${await host.file(`credential-${index}`, value)}`)
  }
  return await host.boot(look)
}

const names = plainNames.length + Object.keys(marking({ mark: makeMark })).length

export const credentialAttacks: Attack[] = [
  {
    id: 'B2/smbios-credentials',
    title: `${names} systemd credentials by SMBIOS type 11`,
    does: 'adds strings io.systemd.credential: and io.systemd.credential.binary: with units, drop-ins, rules, users, mounts and passwords',
    ends: [harmless],
    carryOut: bySmbios,
  },
  {
    id: 'B2/fw-cfg-credentials',
    title: `${names} systemd credentials by QEMU’s fw_cfg`,
    does: 'adds files opt/io.systemd.credentials/… with the same',
    ends: [harmless],
    carryOut: byFirmwareConfiguration,
  },
  ...['io.systemd.stub.kernel-cmdline-extra', 'io.systemd.boot.kernel-cmdline-extra'].map((name): Attack => ({
    id: `B2/${name.split('.')[2]}-command-line`,
    title: `kernel command line by SMBIOS type 11, ${name}`,
    does: `adds a string ${name}= that has root run a command`,
    ends: [harmless, measured(12)],
    carryOut: async (host) => {
      const { shell } = host.mark('code of the command line')
      const run = `systemd.run="/bin/sh -c \\"${shell.replaceAll('%', '%%')}\\"" systemd.run_success_action=none`
      host.qemu.add('-smbios', `type=11,value=${name}=drill=1 ${run}`)
      return await host.boot(`grep -q 'drill=1' /proc/cmdline && echo 'taken word of the kernel command line'\ntrue`)
    },
  })),
]
