import { strict as assert } from 'node:assert'
import { ClientSecretCredential } from '@azure/identity'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'

/** A program as written for Azure: no option names another cloud. It reads a secret from standard input. */
const [tenant = '', application = '', vault = ''] = process.argv.slice(2)
let secret = ''
for await (const chunk of process.stdin) secret += String(chunk)
const credential = new ClientSecretCredential(tenant, application, secret.trim())
const url = `https://${vault}.vault.azure.net`
const done = (call: string): void => void process.stdout.write(`${call}\n`)

const keys = new KeyClient(url, credential)
const key = await keys.createRsaKey('sdk')
assert.ok(key.id?.startsWith(`${url}/keys/sdk/`), key.id)
assert.equal(key.properties.vaultUrl, url)
done('KeyClient.createRsaKey')

const names: string[] = []
for await (const each of keys.listPropertiesOfKeys()) names.push(each.id ?? '')
assert.ok(names.includes(`${url}/keys/sdk`), names.join())
done('KeyClient.listPropertiesOfKeys')

const cryptography = new CryptographyClient(key, credential)
const { result } = await cryptography.encrypt('RSA-OAEP-256', Buffer.from('text'))
assert.equal(Buffer.from((await cryptography.decrypt('RSA-OAEP-256', result)).result).toString(), 'text')
done('CryptographyClient.encrypt, decrypt')

await (await keys.beginDeleteKey('sdk')).pollUntilDone()
done('KeyClient.beginDeleteKey')

const secrets = new SecretClient(url, credential)
const value = `${url} https://${vault}.vault.strongroom.internal`
await secrets.setSecret('sdk', value)
assert.equal((await secrets.getSecret('sdk')).value, value)
done('SecretClient.setSecret, getSecret')
