// A master that is modbus-serial: KIND PORT; prints what it gets as JSON.
const ModbusRTU = require("modbus-serial");
const [kind, port] = [process.argv[2], Number(process.argv[3])];

async function ask() {
  const client = new ModbusRTU();
  client.setID(1);
  client.setTimeout(5000);
  const connect = { tcp: client.connectTCP, rtuovertcp: client.connectTelnet, udp: client.connectUDP }[kind];
  await connect.call(client, "127.0.0.1", { port });
  const found = { reads: [] };
  for (let number = 0; number < 200; number++) {
    const [address, count] = [number * 13 % 800, 1 + number % 100];
    found.reads.push([address, (await client.readHoldingRegisters(address, count)).data]);
  }
  await client.writeRegister(950, 4711);
  found.written = (await client.readHoldingRegisters(950, 1)).data;
  await client.readHoldingRegisters(5000, 2).catch((error) => { found.refused = error.modbusCode; });
  if (kind !== "rtuovertcp") found.named = Object.values((await client.readDeviceIdentification(1, 0)).data); // it cannot, over that
  client.close(() => {});
  console.log(JSON.stringify(found));
}

ask().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
