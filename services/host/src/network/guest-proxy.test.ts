import { describe, expect, it } from 'vitest'
import { resolveTarget } from './guest-proxy.ts'

describe('proxy of a guest', () => {
  it('leads names of the installation to its TLS port', async () => {
    expect(await resolveTarget('management.strongroom.internal:443', 9443)).toEqual({ host: '127.0.0.1', port: 9443 })
    expect(await resolveTarget('A.VAULT.strongroom.internal:443', 9443)).toEqual({ host: '127.0.0.1', port: 9443 })
  })

  it('lets public addresses pass', async () => {
    expect(await resolveTarget('93.184.216.34:443', 9443)).toEqual({ host: '93.184.216.34', port: 443 })
    expect(await resolveTarget('[2606:2800:220:1::1]:443', 9443)).toEqual({ host: '2606:2800:220:1::1', port: 443 })
  })

  it.each([
    '127.0.0.1:22', 'localhost:5432', '10.0.0.1:80', '172.16.3.4:80', '192.168.1.1:80', '169.254.169.254:80', '0.0.0.0:80', '100.64.0.1:1',
    '224.0.0.1:80', '[::1]:22', '[::ffff:127.0.0.1]:22', '[fe80::1]:22', '[fd00::1]:22', '[2002:7f00:1::]:22', 'management.strongroom.internal:22',
    'x.strongroom.internal:8080', 'noport', ':80', 'host:0', 'host:99999', 'http://host:80/', 'a b:80',
  ])('refuses %s', async (target) => {
    expect(await resolveTarget(target, 9443).catch(() => undefined)).toBeUndefined()
  }) // prettier-ignore
})
