// Deploys the construct alone. Settings come from the context: -c domainPrefix=…
import { App, BootstraplessSynthesizer, Stack } from 'aws-cdk-lib/core';
import { CognitoLogin } from './cognito';

const app = new App();
const domainPrefix = app.node.tryGetContext('domainPrefix');
if (!domainPrefix) {
  throw new Error('name the login domain: -c domainPrefix=my-app');
}
// There are no assets, so the account needs no cdk bootstrap.
const stack = new Stack(app, domainPrefix, { synthesizer: new BootstraplessSynthesizer() });
new CognitoLogin(stack, 'Login', {
  domainPrefix,
  baseUrl: app.node.tryGetContext('baseUrl') ?? 'http://localhost:8021',
  confidential: app.node.tryGetContext('clientType') !== 'public',
});
