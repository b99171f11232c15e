import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  headerWithPublicNames,
  ownHostOf,
  publicNames,
  targetWithOwnNames,
  withOwnNames,
  withPublicNames,
} from './names.ts'

describe('the public names', () => {
  it.each([
    ['management.azure.com', 'management.strongroom.internal'],
    ['Login.MicrosoftOnline.com', 'login.strongroom.internal'],
    ['graph.microsoft.com', 'graph.strongroom.internal'],
    ['kv1.vault.azure.net', 'kv1.vault.strongroom.internal'],
    ['hsm1.managedhsm.azure.net', 'hsm1.managedhsm.strongroom.internal'],
    ['sharedweu.weu.attest.azure.net', 'sharedweu.weu.attest.strongroom.internal'],
    ['disks.blob.core.windows.net', 'disks.blob.strongroom.internal'],
  ])('%s is %s here', (name, own) => expect(ownHostOf(name)).toBe(own))

  it.each([
    'azure.com',
    'x.management.azure.com',
    'management.azure.com.evil.example',
    'vault.azure.net',
    'a.b.vault.azure.net',
    '*.vault.azure.net',
    '-a.vault.azure.net',
    'evilvault.azure.net',
    'kv1.vault.azure.cn',
    'sharedxx.xx.attest.azure.net',
    'attest.azure.net',
    'login.microsoftonline.com.',
    'management.strongroom.internal',
    '',
  ])('%s is none of them', (name) => expect(ownHostOf(name)).toBeUndefined())

  it('are as many as certificates say', () => {
    expect(publicNames).toHaveLength(3 + 3 + 7)
  })
})

describe('texts with public names', () => {
  it('have them in addresses of what is here, and in nothing else', () => {
    const answer = JSON.stringify({
      value: 'https://kv1.vault.strongroom.internal/keys/k',
      id: 'https://kv1.vault.strongroom.internal/secrets/s/1',
      properties: {
        vaultUri: 'https://kv1.vault.strongroom.internal/',
        attestUri: 'https://a.weu.attest.strongroom.internal',
      },
      shared: { attestUri: 'https://sharedneu.neu.attest.strongroom.internal' },
      cloud_instance_name: 'login.strongroom.internal',
      name: 'login.strongroom.internal',
    })
    expect(JSON.parse(withPublicNames(answer))).toEqual({
      value: 'https://kv1.vault.strongroom.internal/keys/k',
      id: 'https://kv1.vault.azure.net/secrets/s/1',
      properties: { vaultUri: 'https://kv1.vault.azure.net/', attestUri: 'https://a.weu.attest.strongroom.internal' },
      shared: { attestUri: 'https://sharedneu.neu.attest.azure.net' },
      cloud_instance_name: 'login.microsoftonline.com',
      name: 'login.strongroom.internal',
    })
  })

  it('give back what they were', () => {
    const host = fc.constantFrom('kv1.vault', 'h.managedhsm', 'd.blob', 'management', 'login', 'graph')
    const member = fc.constantFrom('kid', 'id', 'nextLink', 'keyUrl', 'value', 'x')
    fc.assert(
      fc.property(member, host, fc.string(), (name, label, rest) => {
        const text = JSON.stringify({ [name]: `https://${label}.strongroom.internal/${rest}` })
        expect(withOwnNames(withPublicNames(text))).toBe(text)
      }),
    )
  })

  it('have nothing changed that a caller keeps in a member of another name, or in a text within a text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const secret = JSON.stringify({ value: `{"kid":"https://kv1.vault.azure.net/${text}"}` })
        expect(withOwnNames(secret)).toBe(secret)
      }),
    )
  })

  it('are not JSON either, as the body of a deployment that az sends', () => {
    const body =
      '{"properties": {"mode": "Incremental", template:{ "keyUrl" : "https://kv1.vault.azure.net/keys/k/1" /* c */}}}'
    expect(withOwnNames(body)).toBe(body.replace('azure.net', 'strongroom.internal'))
  })

  it('are headers and queries', () => {
    expect(
      headerWithPublicNames(
        'Bearer authorization="https://login.strongroom.internal/t", resource="https://vault.strongroom.internal"',
      ),
    ).toBe('Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"')
    expect(
      targetWithOwnNames(
        '/common/discovery/instance?authorization_endpoint=https%3A%2F%2Flogin.microsoftonline.com%2Ft',
      ),
    ).toBe('/common/discovery/instance?authorization_endpoint=https%3A%2F%2Flogin.strongroom.internal%2Ft')
    expect(targetWithOwnNames('/keys/https://kv1.vault.azure.net/?a=b')).toBe('/keys/https://kv1.vault.azure.net/?a=b')
  })
})
