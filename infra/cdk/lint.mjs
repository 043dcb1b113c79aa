// Reads a CloudFormation template as JSON and says which of its properties AWS's
// description of its resources does not have, or has with another type. What is
// worked out by a function of CloudFormation is not looked at.
import { readFileSync } from 'node:fs';
import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';

const spec = loadAwsServiceSpecSync();
const template = JSON.parse(readFileSync(0, 'utf8'));

const computed = (value) => typeof value === 'object' && Object.keys(value).some((key) => key === 'Ref' || key.startsWith('Fn::'));
const plain = { string: 'string', boolean: 'boolean', integer: 'number', number: 'number' };

function check(at, value, type) {
  if (computed(value)) return;
  if (type.type === 'array' && Array.isArray(value)) {
    value.forEach((item, i) => check(`${at}.${i}`, item, type.element));
  } else if (type.type === 'ref' && typeof value === 'object') {
    properties(at, value, spec.get('typeDefinition', type.reference.$ref).properties);
  } else if (plain[type.type] !== typeof value) {
    console.log(`${at} must be ${type.type}`);
  }
}

function properties(at, given, known) {
  for (const [name, value] of Object.entries(given)) {
    if (known[name]) check(`${at}.${name}`, value, known[name].type);
    else console.log(`${at}.${name} is unknown`);
  }
  for (const [name, property] of Object.entries(known)) {
    if (property.required && !(name in given)) console.log(`${at}.${name} is required`);
  }
}

for (const [id, { Type: type, Properties: given }] of Object.entries(template.Resources)) {
  const [resource] = spec.lookup('resource', 'cloudFormationType', 'equals', type);
  if (resource) properties(id, given, resource.properties);
  else console.log(`${id}: ${type} is unknown`);
}
