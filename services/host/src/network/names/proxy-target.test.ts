import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { resolveTarget } from './proxy-target.ts'

vi.mock('node:os', { spy: true })
afterEach(() => vi.resetAllMocks())

describe('proxy of a guest', () => {
  it('leads names of the installation to its TLS port', async () => {
    const own = { host: '127.0.0.1', port: 9443, own: true }
    expect(await resolveTarget('management.strongroom.internal:443', 9443)).toEqual(own)
    expect(await resolveTarget('A.VAULT.strongroom.internal:443', 9443)).toEqual(own)
  })

  it('lets public addresses pass', async () => {
    for (const host of ['93.184.216.34', '168.63.129.15', '168.63.129.17'])
      expect(await resolveTarget(`${host}:443`, 9443)).toEqual({ host, port: 443, own: false })
    const target = await resolveTarget('[2606:2800:220:1::1]:443', 9443)
    expect(target).toEqual({ host: '2606:2800:220:1::1', port: 443, own: false })
  })

  it.each([
    '127.0.0.1:22',
    'localhost:5432',
    '10.0.0.1:80',
    '172.16.3.4:80',
    '192.168.1.1:80',
    '169.254.169.254:80',
    '0.0.0.0:80',
    '100.64.0.1:1',
    '224.0.0.1:80',
    '[::1]:22',
    '[::ffff:127.0.0.1]:22',
    '[fe80::1]:22',
    '[fd00::1]:22',
    '[2002:7f00:1::]:22',
    'management.strongroom.internal:22',
    'x.strongroom.internal:8080',
    'noport',
    ':80',
    'host:0',
    'host:99999',
    'http://host:80/',
    'a b:80',
  ])('refuses %s', async (target) => {
    expect(await resolveTarget(target, 9443).catch(() => undefined)).toBeUndefined()
  })

  it('leads nowhere at the cloud’s endpoint of the host, 168.63.129.16 (attack W10)', async () => {
    for (const port of [80, 443, 32_526]) expect(await resolveTarget(`168.63.129.16:${port}`, 9443)).toBeUndefined()
  })

  it.each([
    '2130706433',
    '0x7f000001',
    '017700000001',
    '127.1',
    '0177.0.0.1',
    '0x7f.1',
    '0',
    '2852039166',
    '0xa9fea9fe',
    '2822734096',
    '0xa83f8110',
    '168.63.33040',
    '10.1',
    '0xc0a80101',
    '[::]',
    '[::ffff:8.8.8.8]',
    '[::8.8.8.8]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::a00:1]',
    '[2001::1]',
    '[2001:0:53aa:64c:0:0:0:1]',
    '[2001:0000:4136:e378:8000:63bf:3fff:fdd2]',
    '[2002:a9fe:a9fe::]',
    '[ff02::1]',
    '[fec0::1]',
    '[100::1]',
    '[::1%lo]',
    '[fe80::1%25lo]',
    'LOCALHOST',
    '①②⑦.0.0.1',
    'ﬁ.example',
    '127.0.0.1\u0000.example.org',
    '93.184.216.34@127.0.0.1',
    '93.184.216.34:80@127.0.0.1',
    '127.0.0.1#.example.org',
  ])('is refused in every spelling of an address of the host’s or beside it: %s (attack W10)', async (host) => {
    for (const port of [22, 443])
      expect(await resolveTarget(`${host}:${port}`, 9443).catch(() => undefined)).toBeUndefined()
  })

  it('goes by one answer of the name servers, and to the address in it (attack W10)', async () => {
    const answers = ['93.184.216.34', '127.0.0.1']
    const resolve4 = async (): Promise<never> => (await Promise.resolve([answers.shift()])) as never
    const servers = { resolve4, resolve6: resolve4 }
    const led = await resolveTarget('rebinding.example.org:443', 9443, servers)
    expect([led, answers]).toEqual([{ host: '93.184.216.34', port: 443, own: false }, ['127.0.0.1']])
    expect(await resolveTarget('rebinding.example.org:443', 9443, servers)).toBeUndefined()
  })

  it('leads to no address that the host itself has, in whichever form (attack W10)', async () => {
    const of = (address: string, family: 'IPv4' | 'IPv6') =>
      ({ address, family, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 }) as never
    vi.mocked(networkInterfaces).mockReturnValue({
      eth0: [of('93.184.216.34', 'IPv4'), of('2606:2800:220:1::1', 'IPv6')],
    })
    expect(await resolveTarget('93.184.216.34:22', 9443)).toBeUndefined()
    expect(await resolveTarget('[2606:2800:220:1::1]:22', 9443)).toBeUndefined()
    expect(await resolveTarget('[2606:2800:0220:0001:0:0:0:1]:22', 9443)).toBeUndefined()
    expect(await resolveTarget('93.184.216.35:22', 9443)).toBeDefined()
    // An address added later counts as well.
    vi.mocked(networkInterfaces).mockReturnValue({ eth1: [of('93.184.216.35', 'IPv4')] })
    expect(await resolveTarget('93.184.216.35:22', 9443)).toBeUndefined()
  })
})
