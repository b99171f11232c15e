import { describe, expect, it } from 'vitest'
import { machineArguments, type MachineOptions } from './arguments.ts'
import { fit } from './capacity.ts'
import { freePort } from '@strongroom/platform'

const options: MachineOptions = {
  name: 'a,b',
  vmId: 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333',
  acceleration: 'tcg',
  cpuModel: 'EPYC-Milan',
  vCPUs: 2,
  memoryMiB: 2048,
  firmware: '/run/f,readonly=off',
  variables: '/run/v',
  disk: '/state/disk.raw',
  dataDisks: [],
  tpmSocket: '/run/tpm',
  serialLog: '/state/serial.log',
  network: {
    macAddress: '02-53-52-19-EF-25',
    sshPort: 2222,
    doors: { metadata: '/run/m', time: '/run/c', proxy: '/run/p', services: '/run/s', web: '/run/w', names: '/run/n' },
  },
}

describe('QEMU’s arguments', () => {
  const args = machineArguments(options)
  const all = args.join(' ')

  it('let no value open an option of its own', () => {
    expect(args).toContain('guest=a,,b,debug-threads=off')
    expect(args).toContain('if=pflash,unit=0,format=raw,readonly=on,file=/run/f,,readonly=off')
  })

  it('keep the guest from the host, except for what is forwarded', () => {
    const network = args[args.indexOf('-netdev') + 1]!
    expect(network).toContain('/restricted/')
    expect(network).toContain('/tcpfwd=127.0.0.1:2222:169.254.100.2:22/')
    expect(network.split('unixfwd=')[1]).toBe(
      String.raw`169.254.169.254:80:\/run\/m,,169.254.169.254:123:\/run\/c,,169.254.169.253:3128:\/run\/p,,` +
        String.raw`169.254.169.253:443:\/run\/s,,169.254.169.253:80:\/run\/w,,169.254.169.253:53:\/run\/n`,
    )
  })

  it('lead to no path that the network’s syntax would read otherwise', () => {
    for (const proxy of ['/run/a:b', '/run/a,b', '/run/a b', "/run/'", '/run/\\']) {
      const doors = { ...options.network.doors, proxy }
      expect(() => machineArguments({ ...options, network: { ...options.network, doors } })).toThrow(TypeError)
    }
  })

  it('give the guest its further interfaces, with their addresses and no way out', () => {
    const further = { macAddress: '02-53-52-AA-BB-CC', privateIpAddress: '10.0.1.7', subnetPrefix: '10.0.1.0/24' }
    const two = machineArguments({ ...options, network: { ...options.network, interfaces: [further] } })
    const [, second] = two.flatMap((each, index) => (each === '-netdev' ? [two[index + 1]!] : []))
    expect(second).toBe(
      'user,id=net1,restrict=on,ipv6=off,net=10.0.1.0/24,host=10.0.1.1,dns=10.0.1.3,dhcpstart=10.0.1.7',
    )
    // After the primary one, whose name in the guest stays.
    const devices = two.filter((each) => each.startsWith('virtio-net-pci'))
    expect(devices).toEqual([
      'virtio-net-pci,netdev=net,mac=02:53:52:19:ef:25,romfile=',
      'virtio-net-pci,netdev=net1,mac=02:53:52:aa:bb:cc,romfile=',
    ])
  })

  it('keep the firmware’s variables behind SMM', () => {
    expect(all).toContain('driver=cfi.pflash01,property=secure,value=on')
    expect(all).toContain('smm=on')
    expect(all).toContain('disable_s3=1')
  })

  it('give nobody a monitor, a debugger, a console to type at or the guest’s memory in a core file (attack B7)', () => {
    const options = args.filter((argument) => argument.startsWith('-'))
    for (const option of ['-monitor', '-qmp', '-gdb', '-s', '-vnc', '-spice', '-qtest', '-readconfig'])
      expect(options).not.toContain(option)
    expect(all).toContain('dump-guest-core=off')
    expect(args).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config', '-display', 'none']))
    // Guest output goes to a file, and QEMU's own protocol to a descriptor whose other end only this process has.
    const channels = args.filter((_, index) => ['-chardev', '-serial', '-mon'].includes(args[index - 1] ?? ''))
    expect(channels.map((each) => each.replace(/,path=.*/, ''))).toEqual([
      'socket,id=tpm',
      'file,id=serial,append=on',
      'chardev:serial',
      'socket,id=control,fd=3',
      'chardev=control,mode=control',
    ])
  })
})

describe('what a host bears', () => {
  const size = { name: 'Standard_DC8as_v5', vCPUs: 8, memoryMiB: 32768 }

  it('is the whole size where there is room, without a word', () => {
    expect(fit({ size, processors: 16, availableMiB: 200_000 })).toEqual({ vCPUs: 8, memoryMiB: 32768, notices: [] })
  })

  it('is less where there is none, and says so', () => {
    const fitted = fit({ size, processors: 2, availableMiB: 9_216 })
    expect(fitted).toMatchObject({ vCPUs: 2, memoryMiB: 4096 })
    expect(fitted.notices).toHaveLength(2)
    expect(fitted.notices[1]).toContain('32768 MiB')
  })
})

describe('SSH port of a VM', () => {
  it('stays where it was as long as nobody else took it', async () => {
    const port = await freePort()
    expect(await freePort(port)).toBe(port)
  })
})
