import fc from 'fast-check'
import { expect, it } from 'vitest'
import { duplicateName } from './duplicate-name.ts'

it('says the path of the first name that stands twice, however it is written', () => {
  expect(duplicateName('{"a":1,"b":{"c":[{"d":1,"\\u0064":2}]}}')).toBe('$.b.c.d')
  expect(duplicateName('{"a\\\\":1,"a\\\\":2}')).toBe('$.a\\')
  expect(duplicateName('{"a":"{\\"b\\":1,\\"b\\":2}","b":"\\\\"}')).toBeUndefined()
  expect(duplicateName('[{"a":1},{"a":1}]')).toBeUndefined()
})

it('finds none in what JSON.stringify wrote, and one as soon as a name is repeated', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.jsonValue(), (object, name, value) => {
      const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
      expect(duplicateName(JSON.stringify(object))).toBeUndefined()
      expect(duplicateName(`{${member},"other":${JSON.stringify(object)},${member}}`)).toBe(
        name === 'other' ? '$.other' : `$.${name}`,
      )
    }),
  )
})
